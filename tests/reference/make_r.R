# The same fits by R, to cross-check fits/*.csv. Run from this folder: Rscript make_r.R
# fitdistrplus and MASS where they carry the family, VGAM's densities and short ones here under optim otherwise;
# estimates by Nelder-Mead then BFGS at reltol 1e-14; standard errors from the numerical Hessian.
suppressMessages({library(MASS); library(VGAM); library(fitdistrplus)})
number <- function(x) ifelse(is.na(x), "", sprintf("%.15g", x))
table_of <- function(family) read.csv(file.path("fits", paste0(family, ".csv")), comment.char = "#", colClasses = "character")
read_data <- function(name) read.csv(file.path("data", paste0(name, ".csv")))
save_table <- function(family, how, rows) {
  version <- paste0("R ", getRversion(), ", fitdistrplus ", packageVersion("fitdistrplus"), ", MASS ", packageVersion("MASS"), ", VGAM ", packageVersion("VGAM"))
  writeLines(c(paste0("# made by tests/reference/make_r.R: ", how, "; ", version), "data,parameter,estimate,std_error,log_likelihood", rows),
             file.path("r", paste0(family, ".csv")))
}
rows_of <- function(data, names, estimate, error, value)
  paste(data, names, number(estimate), number(error), number(value), sep = ",")

# minimise the NLL on free scales, then the Hessian on the parameters' own scale by Richardson differences
second <- function(f, x) {
  k <- length(x); H <- matrix(0, k, k)
  rise <- function(i, s) f(x + replace(numeric(k), i, s)) - f(x)  # a step that lifts the NLL by about 0.001
  step <- sapply(1:k, function(i) { s <- 1e-3 * max(abs(x[i]), 1e-3); while (rise(i, s) > 2e-3) s <- s / 2; while (rise(i, s) < 5e-4) s <- s * 1.5; s })
  d2 <- function(i, j, s) { e <- function(a, b) { y <- x; y[i] <- y[i] + a * s[i]; y[j] <- y[j] + b * s[j]; f(y) }
    if (i == j) (-f(x + replace(numeric(k), i, 2 * s[i])) + 16 * f(x + replace(numeric(k), i, s[i])) - 30 * f(x) +
                 16 * f(x - replace(numeric(k), i, s[i])) - f(x - replace(numeric(k), i, 2 * s[i]))) / (12 * s[i]^2)
    else (e(1, 1) - e(1, -1) - e(-1, 1) + e(-1, -1)) / (4 * s[i] * s[j]) }
  one <- function(s) { for (i in 1:k) for (j in 1:i) H[i, j] <<- H[j, i] <<- d2(i, j, s); H }
  A <- one(step); B <- one(step / 2); G <- B
  off <- row(G) != col(G); G[off] <- ((4 * B - A) / 3)[off]; G
}
fit_density <- function(y, logf, start, kinds) {
  to <- function(u) { t <- u; t[kinds == "+"] <- exp(u[kinds == "+"]); t[kinds == "01"] <- plogis(u[kinds == "01"]); t }
  back <- start; back[kinds == "+"] <- log(start[kinds == "+"]); back[kinds == "01"] <- qlogis(start[kinds == "01"])
  nll <- function(t) { v <- suppressWarnings(-sum(logf(y, t))); if (is.finite(v)) v else 1e10 }
  free <- function(u) nll(to(u))
  u <- back
  control <- list(reltol = 1e-15, maxit = 20000)
  for (turn in 1:4) {
    if (length(u) > 1) u <- optim(u, free, control = control)$par
    u <- tryCatch(optim(u, free, method = "BFGS", control = c(control, list(ndeps = rep(1e-5, length(u)))))$par, error = function(e) u)
  }
  u <- tryCatch(nlm(free, u, gradtol = 1e-10, steptol = 1e-12, iterlim = 500)$estimate, error = function(e) u)
  t <- to(u)
  list(estimate = t, error = sqrt(diag(solve(second(nll, t)))), value = -nll(t))
}
run <- function(family, names, logf, start, kinds, how) {
  rows <- character()
  for (data in unique(table_of(family)$data)) {
    d <- read_data(data); y <- if (ncol(d) == 1) d[[1]] else d
    o <- fit_density(y, logf, start(y), kinds)
    rows <- c(rows, rows_of(data, names, o$estimate, o$error, o$value))
  }
  save_table(family, how, rows)
}
# fitdistrplus::fitdist on the package's own parameterisation
by_fitdist <- function(family, dist, names, start = NULL) {
  rows <- character()
  for (data in unique(table_of(family)$data)) {
    y <- read_data(data)[[1]]; scale <- 1
    f <- tryCatch(fitdist(y, dist, start = if (is.null(start)) NULL else start(y), control = list(reltol = 1e-14, maxit = 20000)), error = function(e) NULL)
    if (is.null(f)) { cat(family, data, "fitdist failed\n"); next }
    error <- if (is.null(f$sd)) NA else f$sd
    rows <- c(rows, rows_of(data, names, f$estimate, error, f$loglik))
  }
  save_table(family, paste0("fitdistrplus::fitdist(", dist, ", reltol 1e-14)"), rows)
}
closed <- function(family, how, f) {
  rows <- character()
  for (data in unique(table_of(family)$data)) { o <- f(read_data(data)); rows <- c(rows, rows_of(data, o$names, o$estimate, o$error, o$value)) }
  save_table(family, how, rows)
}

closed("bernoulli", "closed form, dbinom", function(d) { y <- d$y; p <- mean(y); list(names = "p", estimate = p, error = sqrt(p * (1 - p) / length(y)), value = sum(dbinom(y, 1, p, log = TRUE))) })
closed("binomial", "glm(binomial), dbinom", function(d) { p <- unname(plogis(coef(glm(cbind(y, trials - y) ~ 1, binomial, d, epsilon = 1e-14)))); list(names = "p", estimate = p, error = sqrt(p * (1 - p) / sum(d$trials)), value = sum(dbinom(d$y, d$trials, p, log = TRUE))) })
closed("geometric", "MASS::fitdistr", function(d) { f <- fitdistr(d$y, "geometric"); list(names = "p", estimate = f$estimate, error = f$sd, value = f$loglik) })
closed("poisson", "MASS::fitdistr", function(d) { f <- fitdistr(d$y, "Poisson"); list(names = "mu", estimate = f$estimate, error = f$sd, value = f$loglik) })
closed("normal", "MASS::fitdistr", function(d) { f <- fitdistr(d$y, "normal"); list(names = c("mu", "sigma"), estimate = f$estimate, error = f$sd, value = f$loglik) })
closed("lognormal", "MASS::fitdistr", function(d) { f <- fitdistr(d$y, "lognormal"); list(names = c("mu", "sigma"), estimate = f$estimate, error = f$sd, value = f$loglik) })
closed("exponential", "MASS::fitdistr", function(d) { f <- fitdistr(d$y, "exponential"); list(names = "rate", estimate = f$estimate, error = f$sd, value = f$loglik) })
closed("categorical", "closed form, dmultinom of single draws", function(d) { t <- table(d$label); p <- as.numeric(prop.table(t)); list(names = paste0("p[", names(t), "]"), estimate = p, error = sqrt(p * (1 - p) / sum(t)), value = sum(t * log(p))) })
closed("uniform", "range, dunif", function(d) { r <- range(d$y); list(names = c("lower", "upper"), estimate = r, error = NA, value = sum(dunif(d$y, r[1], r[2], log = TRUE))) })
closed("discrete-uniform", "range", function(d) { r <- range(d$y); list(names = c("lower", "upper"), estimate = r, error = NA, value = -length(d$y) * log(diff(r) + 1)) })
closed("laplace", "median, VGAM::dlaplace", function(d) { m <- median(d$y); s <- mean(abs(d$y - m)); list(names = c("loc", "scale"), estimate = c(m, s), error = NA, value = sum(dlaplace(d$y, m, s, log = TRUE))) })
closed("pareto", "minimum, VGAM::dpareto", function(d) { m <- min(d$y); a <- length(d$y) / sum(log(d$y / m)); list(names = c("scale", "shape"), estimate = c(m, a), error = c(NA, a / sqrt(length(d$y))), value = sum(dpareto(d$y, m, a, log = TRUE))) })
closed("rayleigh", "closed form, VGAM::drayleigh", function(d) { s <- sqrt(mean(d$y^2) / 2); list(names = "scale", estimate = s, error = s / (2 * sqrt(length(d$y))), value = sum(drayleigh(d$y, s, log = TRUE))) })
closed("half-normal", "closed form, dnorm", function(d) { s <- sqrt(mean(d$y^2)); list(names = "scale", estimate = s, error = s / sqrt(2 * length(d$y)), value = sum(log(2) + dnorm(d$y, 0, s, log = TRUE))) })
closed("maxwell", "closed form, VGAM::dmaxwell", function(d) { s <- sqrt(mean(d$y^2) / 3); list(names = "scale", estimate = s, error = s / sqrt(6 * length(d$y)), value = sum(dmaxwell(d$y, 1 / s^2, log = TRUE))) })
closed("inverse-gaussian", "closed form, VGAM::dinv.gaussian", function(d) { y <- d$y; m <- mean(y); l <- 1 / mean(1 / y - 1 / m); n <- length(y); list(names = c("mean", "shape"), estimate = c(m, l), error = c(sqrt(m^3 / (n * l)), l * sqrt(2 / n)), value = sum(dinv.gaussian(y, m, l, log = TRUE))) })

by_fitdist("negative-binomial", "nbinom", c("size", "mu"))
by_fitdist("beta", "beta", c("alpha", "beta"))
by_fitdist("logistic", "logis", c("loc", "scale"))
run("gamma", c("shape", "rate"), function(y, t) dgamma(y, t[1], t[2], log = TRUE), function(y) c(mean(y)^2 / var(y), mean(y) / var(y)), c("+", "+"), "dgamma under optim")
run("weibull", c("shape", "scale"), function(y, t) dweibull(y, t[1], t[2], log = TRUE), function(y) c(1.2, mean(y)), c("+", "+"), "dweibull under optim")
run("student-t", c("df", "loc", "scale"), function(y, t) dt((y - t[2]) / t[3], t[1], log = TRUE) - log(t[3]), function(y) c(2, median(y), mad(y)), c("+", "", "+"), "dt under optim")
run("cauchy", c("loc", "scale"), function(y, t) dcauchy(y, t[1], t[2], log = TRUE), function(y) c(median(y), mad(y)), c("", "+"), "dcauchy under optim")
run("gumbel", c("loc", "scale"), function(y, t) dgumbel(y, t[1], t[2], log = TRUE), function(y) c(median(y), sd(y)), c("", "+"), "VGAM::dgumbel under optim")
run("gev", c("loc", "scale", "shape"), function(y, t) dgev(y, t[1], t[2], t[3], log = TRUE), function(y) c(median(y) - sd(y) / 4, sd(y), -0.05), c("", "+", ""), "VGAM::dgev under optim")
run("generalized-pareto", c("scale", "shape"), function(y, t) dgpd(y, 0, t[1], t[2], log = TRUE), function(y) c(median(y), 0.4), c("+", ""), "VGAM::dgpd under optim")
run("skew-normal", c("loc", "scale", "shape"), function(y, t) dskewnorm(y, t[1], t[2], t[3], log = TRUE), function(y) c(mean(y) - sd(y) / 2, sd(y), 1), c("", "+", ""), "VGAM::dskewnorm under optim")
run("gompertz", c("shape", "rate"), function(y, t) dgompertz(y, t[1], t[2], log = TRUE), function(y) c(1 / mean(y), 0.3 / mean(y)), c("+", "+"), "VGAM::dgompertz under optim")
run("beta-binomial", c("alpha", "beta"), function(d, t) dbetabinom.ab(d$y, d$trials, t[1], t[2], log = TRUE), function(d) c(0.5, 0.5), c("+", "+"), "VGAM::dbetabinom.ab under optim")
run("inverse-gamma", c("shape", "scale"), function(y, t) dgamma(1 / y, t[1], t[2], log = TRUE) - 2 * log(y), function(y) c(2, median(y)), c("+", "+"), "dgamma of 1/y under optim")
run("loglogistic", c("shape", "scale"), function(y, t) dlogis(log(y), log(t[2]), 1 / t[1], log = TRUE) - log(y), function(y) c(2, median(y)), c("+", "+"), "dlogis of log y under optim")
run("kumaraswamy", c("a", "b"), function(y, t) dkumar(y, t[1], t[2], log = TRUE), function(y) c(1.5, 2), c("+", "+"), "VGAM::dkumar under optim")
run("chi-squared", "df", function(y, t) dchisq(y, t[1], log = TRUE), function(y) mean(y), "+", "dchisq under optim")
run("lomax", c("shape", "scale"), function(y, t) dlomax(y, t[2], t[1], log = TRUE), function(y) c(2, mean(y)), c("+", "+"), "VGAM::dlomax under optim")
run("burr12", c("shape1", "shape2", "scale"), function(y, t) dsinmad(y, t[3], t[2], t[1], log = TRUE), function(y) c(1, 2, median(y)), c("+", "+", "+"), "VGAM::dsinmad under optim")
run("von-mises", c("mu", "kappa"), function(y, t) t[2] * (cos(y - t[1]) - 1) - log(2 * pi * besselI(t[2], 0, TRUE)), function(y) c(atan2(mean(sin(y)), mean(cos(y))), 0.5), c("", "+"), "besselI under optim")
run("zero-inflated-poisson", c("mu", "pi"), function(y, t) dzipois(y, t[1], t[2], log = TRUE), function(y) c(mean(y[y > 0]), 0.3), c("+", "01"), "VGAM::dzipois under optim")
run("zero-inflated-negative-binomial", c("mu", "size", "pi"), function(y, t) log(ifelse(y == 0, t[3], 0) + (1 - t[3]) * dnbinom(y, mu = t[1], size = t[2])), function(y) c(mean(y[y > 0]), 2, 0.2), c("+", "+", "01"), "dnbinom with a point at zero under optim")
