# Regressions whose maximum lies at kinks or ends of the likelihood: Rscript tests/reference/make_ends.R
# laplace: least absolute deviations by quantreg's rq (Barrodale and Roberts); scale = mean absolute residual; errors
#   scale^2 (X'X)^-1 and scale / sqrt(n). With a formula for log scale: rq with weights exp(-z'g) and Newton's method for g
#   in turn, the best of 60 random starts; errors from sum x x' / scale_i^2 and Z'Z-weighted |r_i| / scale_i.
# uniform: the narrowest band by going through every p + 1 rows: the largest half-width that any of them needs is that
#   of all rows (de la Vallee Poussin). Two coordinates: the middle's coefficients, and the width.
# pareto: the shape's coefficients by VGAM's paretoff given the least value; with a formula for log scale, the frontier
#   by going through every p rows: of those fits that no row is below, the one with the least sum of log y - x'b, then
#   the shape by glm(log y - x'b, Gamma(log)) with dispersion 1.
suppressMessages({ library(quantreg); library(VGAM) })
options(digits = 17, warn = 1)
folder <- "tests/reference/regressions"
number <- function(x) ifelse(is.na(x), "", sprintf("%.15g", x))
version <- function(...) paste(c(R.version.string, sapply(c(...), function(p) paste(p, packageVersion(p)))), collapse = ", ")
out <- list()
add <- function(file, model, term, estimate, error, value)
  out[[file]] <<- c(out[[file]], paste(model, term, number(estimate), number(error), number(value), sep = ","))
terms_of <- function(names) sub("^\\(Intercept\\)$", "Intercept", names)
read <- function(name) read.csv(file.path(folder, "data", paste0(name, ".csv")))
data(engel); write.csv(setNames(engel, c("income", "food")), file.path(folder, "data/engel.csv"), row.names = FALSE, quote = FALSE)

# --- laplace ---
lad <- function(name, formula, d = read(name)) {
  b <- rq(formula, 0.5, d, method = "br"); X <- model.matrix(formula, d); r <- abs(residuals(b)); n <- nrow(X); s <- mean(r)
  add("laplace", paste0(name, ": ", deparse(formula)), c(terms_of(colnames(X)), "scale"), c(coef(b), s),
      c(s * sqrt(diag(solve(crossprod(X)))), s / sqrt(n)), -n * (log(2 * s) + 1)) }
lad("engel", food ~ income); lad("stackloss", loss ~ air + water + acid); lad("cars", dist ~ speed); lad("airquality", ozone ~ wind + temp)
both <- function(name, formula, scale) { d <- read(name); X <- model.matrix(formula, d); Z <- model.matrix(scale, d); y <- d[[as.character(formula[[2]])]]
  Z0 <- Z; Z <- cbind(1, base::scale(Z[, -1])); best <- NULL; set.seed(1)
  for (turn in 1:60) { g <- c(log(mean(abs(y - median(y)))), rnorm(ncol(Z) - 1, 0, 0.7) * (turn > 1)); last <- Inf
    for (round in 1:200) { w <- exp(-drop(Z %*% g)); b <- suppressWarnings(rq.wfit(X, y, 0.5, w)$coefficients); r <- abs(y - drop(X %*% b))
      for (k in 1:100) { e <- r * exp(-drop(Z %*% g)); step <- solve(crossprod(Z * e, Z), crossprod(Z, 1 - e)); step <- step / max(1, abs(step)); g <- g - drop(step); if (max(abs(step)) < 1e-13) break }
      value <- sum(r * exp(-drop(Z %*% g)) + Z %*% g + log(2)); if (abs(last - value) < 1e-12) break; last <- value }
    if (is.null(best) || value < best$value - 1e-10) best <- list(value = value, b = b, r = r, s = exp(drop(Z %*% g))) }
  g <- qr.solve(Z0, log(best$s)); e <- best$r / best$s
  add("laplace", paste0(name, " scale: ", deparse(formula)), c(terms_of(colnames(X)), paste0("scale ", terms_of(colnames(Z0)))), c(best$b, g),
      c(sqrt(diag(solve(crossprod(X / best$s)))), sqrt(diag(solve(crossprod(Z0 * e, Z0))))), -best$value) }
both("engel", food ~ income, ~ income); both("cars", dist ~ speed, ~ speed); both("stackloss", loss ~ air + water, ~ air)

# --- uniform ---
band <- function(name, formula) { d <- read(name); X <- model.matrix(formula, d); y <- d[[as.character(formula[[2]])]]; p <- ncol(X); n <- nrow(X)
  found <- NULL
  sets <- combn(n, p + 1)
  for (j in seq_len(ncol(sets))) { S <- sets[, j]
    m <- svd(t(X[S, ]), nu = 0, nv = p + 1)$v[, p + 1]; h <- abs(sum(m * y[S])) / sum(abs(m))
    if (is.null(found) || h > found$h) found <- list(h = h, S = S, m = m) }
  s <- sign(found$m) * sign(sum(found$m * y[found$S]))
  b <- solve(cbind(X[found$S, ], s), y[found$S]); h <- b[p + 1]; b <- b[1:p]
  stopifnot(max(abs(y - X %*% b)) < h * (1 + 1e-9))
  add("uniform", paste0(name, ": ", deparse(formula)), c(terms_of(colnames(X)), "width"), c(b, 2 * h), NA, -n * log(2 * h)) }
band("stackloss", loss ~ air + water + acid); band("cars", dist ~ speed); band("clotting", lot1 ~ logu)

# --- pareto ---
tail_of <- function(name, formula) { d <- read(name); X <- model.matrix(formula, d); y <- d[[as.character(formula[[2]])]]; low <- min(y)
  f <- vglm(formula, paretoff(scale = low * (1 - 1e-14)), d, epsilon = 1e-14, maxit = 100); b <- coef(f)
  for (k in 1:20) { a <- drop(exp(X %*% b)); e <- a * log(y / low); b <- b - solve(crossprod(X * e, X), crossprod(X, e - 1)) }
  stopifnot(max(abs(b - coef(f))) < 1e-6); b <- drop(b); a <- drop(exp(X %*% b)); e <- a * log(y / low)
  add("pareto", paste0(name, ": ", deparse(formula)), c(terms_of(colnames(X)), "scale"), c(b, low), c(sqrt(diag(solve(crossprod(X * e, X)))), NA),
      sum(log(a) + a * log(low) - (a + 1) * log(y))) }
tail_of("airquality", ozone ~ wind + temp); tail_of("cars", dist ~ speed); tail_of("engel", food ~ income)
frontier <- function(name, formula) { d <- read(name); X <- model.matrix(formula, d); y <- d[[as.character(formula[[2]])]]; p <- ncol(X); best <- NULL
  sets <- combn(nrow(X), p)
  for (j in seq_len(ncol(sets))) { A <- X[sets[, j], ]; if (abs(det(A)) < 1e-9) next
    b <- solve(A, log(y[sets[, j]])); r <- log(y) - drop(X %*% b)
    if (min(r) > -1e-11 && (is.null(best) || sum(r) < best$sum - 1e-11)) best <- list(sum = sum(r), b = b, r = pmax(r, 0)) }
  n <- nrow(X); a <- n / best$sum
  add("pareto", paste0(name, " scale: ", deparse(formula)), c(paste0("scale ", terms_of(colnames(X))), "Intercept"), c(best$b, log(a)), c(rep(NA, p), 1 / sqrt(n)),
      n * log(a) - a * best$sum - sum(log(y))) }
frontier("cars", dist ~ speed); frontier("airquality", ozone ~ wind + temp)
heads <- list(laplace = paste("rq and its formulas;", version("quantreg")), uniform = paste("every p + 1 rows;", R.version.string),
              pareto = paste("paretoff and every p rows;", version("VGAM")))
for (file in names(out)) writeLines(c(paste0("# made by tests/reference/make_ends.R: ", heads[[file]]), "model,term,estimate,std_error,log_likelihood", out[[file]]),
                                    file.path(folder, paste0(file, ".csv")))
