# Censored fits by survival::survreg (intercept only) and fitdistrplus::fitdistcens: Rscript make_censored.R
# Writes censored/data_*.csv (lower, upper; empty is open) and censored/fits.csv.
suppressMessages({library(survival); library(fitdistrplus)})
here <- sub("--file=", "", grep("--file=", commandArgs(FALSE), value = TRUE))
out <- file.path(dirname(here), "censored")
dir.create(out, showWarnings = FALSE)
set.seed(20)

right <- function(time, status) data.frame(lower = time, upper = ifelse(status == 1, time, NA))
data(salinity); data(smokedfish)
sets <- list(
  salinity = data.frame(lower = salinity$left, upper = salinity$right),
  smokedfish = data.frame(lower = smokedfish$left, upper = smokedfish$right),
  lung = right(lung$time, lung$status - 1),
  ovarian = right(ovarian$futime, ovarian$fustat),
  tobin = data.frame(lower = ifelse(tobin$durable == 0, NA, tobin$durable), upper = tobin$durable),
  inspections = {
    t <- rweibull(400, 1.7, 9); grid <- c(0, 2, 5, 9, 14, Inf); i <- findInterval(t, grid)
    up <- grid[i + 1]; data.frame(lower = grid[i], upper = ifelse(is.finite(up), up, NA))
  }
)
first <- "# made by tests/reference/make_censored.R with %s"
version <- sprintf("%s, survival %s, fitdistrplus %s", R.version.string, packageVersion("survival"), packageVersion("fitdistrplus"))
for (name in names(sets)) {
  file <- file.path(out, paste0("data_", name, ".csv"))
  writeLines(sprintf(first, version), file)
  suppressWarnings(write.table(format(sets[[name]], digits = 17, trim = TRUE), file, sep = ",", row.names = FALSE, quote = FALSE, append = TRUE))
}
rows <- list()
add <- function(data, family, source, names, estimate, se, loglik)
  rows[[length(rows) + 1]] <<- data.frame(data, family, source, parameter = names, estimate, std_error = se, log_likelihood = loglik)
control <- survreg.control(rel.tolerance = 1e-14, maxiter = 200)
for (name in names(sets)) {
  d <- sets[[name]]
  lower <- d$lower
  positive <- name != "tobin"
  kinds <- if (positive) c("weibull", "exponential", "lognormal", "loglogistic", "gaussian", "logistic", "rayleigh") else c("gaussian", "logistic")
  for (kind in kinds) {
    if (name == "inspections" && kind %in% c("gaussian", "logistic")) next
    s <- Surv(if (positive) ifelse(!is.na(lower) & lower == 0, NA, lower) else lower, d$upper, type = "interval2")
    f <- survreg(s ~ 1, dist = kind, control = control)
    mu <- f$coefficients[[1]]; sigma <- f$scale; v <- diag(as.matrix(f$var)); se <- sqrt(v)
    if (kind == "weibull") add(name, "weibull", "survreg", c("shape", "scale"), c(1/sigma, exp(mu)), c(se[2]/sigma, exp(mu)*se[1]), f$loglik[2])
    if (kind == "exponential") add(name, "exponential", "survreg", "rate", exp(-mu), exp(-mu)*se[1], f$loglik[2])
    if (kind == "rayleigh") add(name, "rayleigh", "survreg", "scale", exp(mu)/sqrt(2), exp(mu)/sqrt(2)*se[1], f$loglik[2])
    if (kind == "lognormal") add(name, "lognormal", "survreg", c("mu", "sigma"), c(mu, sigma), c(se[1], se[2]*sigma), f$loglik[2])
    if (kind == "loglogistic") add(name, "loglogistic", "survreg", c("shape", "scale"), c(1/sigma, exp(mu)), c(se[2]/sigma, exp(mu)*se[1]), f$loglik[2])
    if (kind == "gaussian") add(name, "normal", "survreg", c("mu", "sigma"), c(mu, sigma), c(se[1], se[2]*sigma), f$loglik[2])
    if (kind == "logistic") add(name, "logistic", "survreg", c("loc", "scale"), c(mu, sigma), c(se[1], se[2]*sigma), f$loglik[2])
  }
}
for (name in c("salinity", "smokedfish", "lung", "ovarian")) {
  d <- data.frame(left = sets[[name]]$lower, right = sets[[name]]$upper)
  for (kind in c("gamma", "weibull", "lnorm", "logis")) {
    start <- if (kind == "gamma") list(shape = 1, rate = 1/mean(as.matrix(d), na.rm = TRUE)) else NULL
    f <- tryCatch(suppressWarnings(fitdistcens(d, kind, start = start, control = list(reltol = 1e-15, maxit = 5000))), error = function(e) NULL)
    if (is.null(f)) next
    family <- c(gamma = "gamma", weibull = "weibull", lnorm = "lognormal", logis = "logistic")[[kind]]
    names <- list(gamma = c("shape", "rate"), weibull = c("shape", "scale"), lnorm = c("mu", "sigma"), logis = c("loc", "scale"))[[kind]]
    add(name, family, "fitdistcens", names, unname(f$estimate), unname(f$sd), f$loglik)
  }
}
table <- do.call(rbind, rows)
file <- file.path(out, "fits.csv")
writeLines(sprintf(first, version), file)
suppressWarnings(write.table(format(table, digits = 15, trim = TRUE), file, sep = ",", row.names = FALSE, quote = FALSE, append = TRUE))
