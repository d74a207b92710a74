# Profile limits and sandwich errors of regressions of labels: Rscript tests/reference/make_limits.R
# Limits are where twice the drop of the log-likelihood, written out here and maximised over the other coefficients by
# optim (BFGS), is the chi-squared quantile (uniroot). Errors are the sandwich by hand. Estimates are polr's and
# multinom's. Writes tests/reference/regressions/limits.csv.
suppressMessages({ library(MASS); library(nnet) })
folder <- "tests/reference/regressions"
out <- file(file.path(folder, "limits.csv"), "w")
writeLines(sprintf("# made by tests/reference/make_limits.R: optim and uniroot on the log-likelihood; %s, MASS %s, nnet %s",
                   R.version.string, packageVersion("MASS"), packageVersion("nnet")), out)
writeLines("model,term,lower,upper,robust,cluster", out)
ends <- function(least, value, estimate, error) {
  f <- function(v) 2 * (least(v) - value) - qchisq(.95, 1)
  c(uniroot(f, c(estimate - 4 * error, estimate), tol = 1e-11)$root,
    uniroot(f, c(estimate, estimate + 4 * error), tol = 1e-11)$root)
}

h <- read.csv(file.path(folder, "data/housing.csv"))
h$sat <- factor(h$sat, levels = c("Low", "Medium", "High"), ordered = TRUE)
fit <- polr(sat ~ infl + type + cont, data = h, weights = freq, Hess = TRUE, control = list(reltol = 1e-14, maxit = 1000))
X <- model.matrix(fit)[, -1]
for (col in colnames(X)) {
  rest <- setdiff(colnames(X), col)
  nll <- function(p, v) {
    cuts <- c(-Inf, p[1], p[1] + exp(p[2]), Inf)
    eta <- as.numeric(X[, rest] %*% p[-(1:2)] + X[, col] * v)
    k <- as.integer(h$sat)
    -sum(h$freq * log(plogis(cuts[k + 1] - eta) - plogis(cuts[k] - eta)))
  }
  least <- function(v) {
    p <- c(fit$zeta[1], log(diff(fit$zeta)), coef(fit)[rest])
    for (i in 1:4) { found <- optim(p, nll, v = v, method = "BFGS", control = list(reltol = 1e-15, maxit = 2000)); p <- found$par }
    found$value
  }
  e <- ends(least, -as.numeric(logLik(fit)), coef(fit)[col], sqrt(vcov(fit)[col, col]))
  term <- sub("^(infl|type|cont)", "location[C(\\1)[T.", col)
  writeLines(sprintf("housing,%s]],%.12g,%.12g,,", term, e[1], e[2]), out)
}

b <- read.csv(file.path(folder, "data/birthwt.csv")); b$race <- factor(b$race)
m <- multinom(race ~ age + lwt + smoke, b, trace = FALSE, reltol = 1e-15, abstol = 1e-15, maxit = 5000)
Z <- model.matrix(m); y <- as.integer(b$race); B0 <- coef(m)
nll <- function(B) { E <- cbind(0, Z %*% t(B)); M <- apply(E, 1, max); -sum(E[cbind(1:nrow(Z), y)] - M - log(rowSums(exp(E - M)))) }
slope <- function(B) {
  E <- cbind(0, Z %*% t(B)); P <- exp(E - apply(E, 1, max)); P <- P / rowSums(P)
  -t(sapply(2:3, function(k) colSums(Z * ((y == k) - P[, k]))))
}
P <- cbind(1, exp(Z %*% t(B0))); P <- P / rowSums(P)
U <- cbind(Z * ((y == 2) - P[, 2]), Z * ((y == 3) - P[, 3]))
H <- matrix(0, 8, 8)
for (a in 1:2) for (c in 1:2) H[(a - 1) * 4 + 1:4, (c - 1) * 4 + 1:4] <- t(Z) %*% (Z * (P[, a + 1] * ((a == c) - P[, c + 1])))
S <- rowsum(U, b$age); G <- nrow(S)
robust <- sqrt(diag(solve(H) %*% crossprod(U) %*% solve(H)))
cluster <- sqrt(diag(solve(H) %*% crossprod(S) %*% solve(H) * G / (G - 1)))
scale <- rep(c(1, .05, .01, 1), each = 2)
for (i in 1:2) for (j in 1:4) {
  held <- (j - 1) * 2 + i
  put <- function(p, v) { B <- matrix(0, 2, 4); B[-held] <- p; B[held] <- v; B }
  least <- function(v) {
    p <- B0[-held]
    for (t in 1:6) { found <- optim(p, function(p) nll(put(p, v)), function(p) slope(put(p, v))[-held], method = "BFGS",
      control = list(reltol = 1e-16, maxit = 5000, parscale = scale[-held])); p <- found$par }
    found$value
  }
  at <- (i - 1) * 4 + j
  e <- ends(least, nll(B0), B0[i, j], sqrt(diag(solve(H)))[at])
  name <- sub("(Intercept)", "Intercept", colnames(Z)[j], fixed = TRUE)
  writeLines(sprintf("birthwt,p[%s][%s],%.12g,%.12g,%.12g,%.12g", rownames(B0)[i], name, e[1], e[2], robust[at], cluster[at]), out)
}
close(out)
