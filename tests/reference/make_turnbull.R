# Turnbull's estimate of interval-censored data sets of make_censored.R by npsurv 0.5.0, to censored/turnbull.csv:
#   Rscript tests/reference/make_turnbull.R tests/reference
library(npsurv)
folder <- commandArgs(trailingOnly = TRUE)[1]
file <- file.path(folder, "censored", "turnbull.csv")
cat("# made by tests/reference/make_turnbull.R with ", R.version.string, ", npsurv ",
    as.character(packageVersion("npsurv")), "\n", sep = "", file = file)
cat("data,lower,upper,probability,log_likelihood\n", file = file, append = TRUE)
for (name in c("inspections", "smokedfish", "salinity")) {
  rows <- read.csv(file.path(folder, "censored", paste0("data_", name, ".csv")), comment.char = "#")
  lower <- ifelse(is.na(rows$lower), 0, rows$lower)
  upper <- ifelse(is.na(rows$upper), Inf, rows$upper)
  fit <- npsurv(cbind(lower, upper), tol = 1e-12, maxit = 10000)
  for (i in seq_along(fit$f$p)) {
    cat(sprintf("%s,%.17g,%.17g,%.17g,%.17g\n", name, fit$f$left[i], fit$f$right[i], fit$f$p[i], fit$ll),
        file = file, append = TRUE)
  }
}
