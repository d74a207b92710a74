# Regressions, censored and truncated fits by R, for the issues on regression and censoring.
# Run from this folder: Rscript make_regressions.R. Data go to regressions/data/.
# Terms are named as formulaic names them; `shape`, `size`, `sigma`, `df` ... carry no linear predictor.
# glm and survreg converge to machine precision; the rest is maximised here to a relative 1e-15 and finished
# by Newton steps on the exact or Richardson derivatives.
suppressMessages({library(MASS); library(nnet); library(survival); library(fitdistrplus)})
dir.create("regressions/data", showWarnings = FALSE, recursive = TRUE)
options(digits = 17, warn = 1)
number <- function(x) ifelse(is.na(x), "", sprintf("%.15g", x))
write_data <- function(name, d) write.csv(d, file.path("regressions/data", paste0(name, ".csv")), row.names = FALSE, quote = FALSE, na = "")
version <- function(...) paste(c(paste("R", getRversion()), sapply(c(...), function(p) paste(p, packageVersion(p)))), collapse = ", ")
out <- list()
add <- function(file, model, term, estimate, error, value)
  out[[file]] <<- c(out[[file]], paste(model, term, number(estimate), number(error), number(value), sep = ","))
save_all <- function(heads) for (file in names(out))
  writeLines(c(paste0("# made by tests/reference/make_regressions.R: ", heads[[file]]), "model,term,estimate,std_error,log_likelihood", out[[file]]),
             file.path("regressions", paste0(file, ".csv")))
# (Intercept) -> Intercept, SexM -> C(Sex)[T.M]
terms_of <- function(fit_names, factors) { t <- sub("^\\(Intercept\\)$", "Intercept", fit_names)
  for (g in names(factors)) for (l in factors[[g]]) t[t == paste0(g, l)] <- paste0("C(", g, ")[T.", l, "]"); t }

# maximise a log-likelihood from a good start, then Newton by Richardson differences; errors from the same Hessian
derivative <- function(f, x, s) {
  k <- length(x); g <- numeric(k); H <- matrix(0, k, k); at <- function(i, a, j = i, b = 0) { y <- x; y[i] <- y[i] + a; if (b != 0) y[j] <- y[j] + b; f(y) }
  f0 <- f(x)
  for (i in 1:k) {
    h <- s[i]; p1 <- at(i, h); m1 <- at(i, -h); p2 <- at(i, 2 * h); m2 <- at(i, -2 * h); p3 <- at(i, 3 * h); m3 <- at(i, -3 * h)
    g[i] <- (45 * (p1 - m1) - 9 * (p2 - m2) + (p3 - m3)) / (60 * h)
    H[i, i] <- (2 * (p3 + m3) - 27 * (p2 + m2) + 270 * (p1 + m1) - 490 * f0) / (180 * h^2)
    if (i > 1) for (j in 1:(i - 1)) { e <- function(r) (at(i, r * s[i], j, r * s[j]) - at(i, r * s[i], j, -r * s[j]) - at(i, -r * s[i], j, r * s[j]) + at(i, -r * s[i], j, -r * s[j])) / (4 * r^2 * s[i] * s[j])
      H[i, j] <- H[j, i] <- (64 * e(0.5) - 20 * e(1) + e(2)) / 45 }
  }
  list(g = g, H = H)
}
maximise <- function(f, x) {
  low <- function(t) { v <- suppressWarnings(-f(t)); if (is.finite(v)) v else 1e10 }
  for (turn in 1:5) x <- optim(x, low, control = list(reltol = 1e-15, maxit = 20000, parscale = pmax(abs(x), 1e-3)))$par
  step <- sapply(seq_along(x), function(i) { s <- 1e-3 * max(abs(x[i]), 1e-3); up <- function(s) low(x + replace(numeric(length(x)), i, s)) - low(x); while (up(s) > 2e-3) s <- s / 2; while (up(s) < 5e-4) s <- s * 1.5; s })
  for (turn in 1:6) { d <- derivative(low, x, step); x <- x - solve(d$H, d$g) }
  list(x = x, error = sqrt(diag(solve(derivative(low, x, step)$H))), value = -low(x))
}
tight <- glm.control(epsilon = 1e-15, maxit = 200)
add_glm <- function(file, model, fit, factors = list()) {
  V <- summary(fit)$cov.unscaled  # dispersion 1
  observed <- fit$family$link == c(binomial = "logit", poisson = "log")[fit$family$family]
  error <- if (observed) sqrt(diag(V)) else {  # non-canonical link: observed information, by differences
    X <- model.matrix(fit); y <- fit$y; w <- fit$prior.weights; off <- if (is.null(fit$offset)) 0 else fit$offset
    l <- function(b) { p <- fit$family$linkinv(drop(X %*% b) + off); sum(dbinom(round(y * w), w, p, log = TRUE)) }
    m <- coef(fit); s <- sqrt(diag(V)) * 0.02; sqrt(diag(solve(-derivative(l, m, s)$H))) }
  add(file, model, terms_of(names(coef(fit)), factors), coef(fit), error, as.numeric(logLik(fit)))
}

# --- binomial ---
b <- birthwt[, c("low", "age", "lwt", "race", "smoke")]; b$race <- c("white", "black", "other")[b$race]; write_data("birthwt", b)
b$race <- factor(b$race); levels_b <- list(race = c("other", "white"))
for (link in c("logit", "probit", "cloglog")) add_glm("binomial", paste0("birthwt ", link, ": low ~ age + lwt + C(race) + smoke"), glm(low ~ age + lwt + race + smoke, binomial(link), b, control = tight), levels_b)
m <- data.frame(menarche); names(m) <- c("age", "trials", "y"); write_data("menarche", m)
for (link in c("logit", "probit", "cloglog")) add_glm("binomial", paste0("menarche ", link, ": y/trials ~ age"), glm(cbind(y, trials - y) ~ age, binomial(link), m, control = tight))

# --- poisson ---
i <- data.frame(district = paste0("d", Insurance$District), group = as.character(as.integer(Insurance$Group)), age = as.integer(Insurance$Age), holders = Insurance$Holders, claims = Insurance$Claims)
i$group <- paste0("g", i$group); write_data("insurance", i)
f <- lapply(i[c("district", "group")], function(v) sort(unique(v))[-1])
add_glm("poisson", "insurance log offset log(holders): claims ~ C(district) + C(group) + age", glm(claims ~ district + group + age + offset(log(holders)), poisson, i, control = tight), f)
w <- warpbreaks; write_data("warpbreaks", w); w$tension <- factor(as.character(w$tension))
add_glm("poisson", "warpbreaks log: breaks ~ C(wool) + C(tension)", glm(breaks ~ wool + tension, poisson, w, control = tight), list(wool = "B", tension = c("L", "M")))

# --- normal (maximum likelihood: sigma divides by n) ---
add_lm <- function(model, fit, factors = list()) { n <- length(residuals(fit)); s <- sqrt(sum(residuals(fit)^2) / n); V <- summary(fit)$cov.unscaled
  add("normal", model, c(terms_of(names(coef(fit)), factors), "sigma"), c(coef(fit), s), c(s * sqrt(diag(V)), s / sqrt(2 * n)), as.numeric(logLik(fit))) }
write_data("cars", cars); add_lm("cars: dist ~ speed", lm(dist ~ speed, cars))
add_lm("birthwt: lwt ~ age + C(race)", lm(lwt ~ age + race, b), levels_b)
s <- stackloss; names(s) <- c("air", "water", "acid", "loss"); write_data("stackloss", s); add_lm("stackloss: loss ~ air + water + acid", lm(loss ~ air + water + acid, s))

# --- gamma (mean by log link, shape constant) ---
add_gamma <- function(model, formula, d, factors = list()) {
  g <- glm(formula, Gamma("log"), d, control = tight); X <- model.matrix(g); y <- g$y; k <- ncol(X)
  l <- function(t) { mu <- exp(drop(X %*% t[1:k])); sum(dgamma(y, exp(t[k + 1]), exp(t[k + 1]) / mu, log = TRUE)) }
  a <- gamma.shape(g, eps.max = 1e-10, it.lim = 100)$alpha
  o <- maximise(l, c(coef(g), log(a)))
  stopifnot(abs(exp(o$x[k + 1]) / a - 1) < 1e-6, max(abs(o$x[1:k] - coef(g))) < 1e-6)
  add("gamma", model, c(terms_of(names(coef(g)), factors), "shape"), c(o$x[1:k], exp(o$x[k + 1])), c(o$error[1:k], exp(o$x[k + 1]) * o$error[k + 1]), o$value) }
c2 <- data.frame(u = c(5, 10, 15, 20, 30, 40, 60, 80, 100), lot1 = c(118, 58, 42, 35, 27, 25, 21, 19, 18)); c2$logu <- log(c2$u); write_data("clotting", c2)
add_gamma("clotting log: lot1 ~ logu", lot1 ~ logu, c2)
a <- na.omit(airquality[, c("Ozone", "Wind", "Temp")]); names(a) <- tolower(names(a)); write_data("airquality", a)
add_gamma("airquality log: ozone ~ wind + temp", ozone ~ wind + temp, a)

# --- negative binomial (log mean, size constant) ---
q <- quine; names(q) <- tolower(names(q)); write_data("quine", q); fq <- list(eth = "N", sex = "M", age = c("F1", "F2", "F3"), lrn = "SL")
add_nb <- function(model, formula, d, factors) { g <- glm.nb(formula, d, control = glm.control(epsilon = 1e-14, maxit = 500)); X <- model.matrix(g); y <- g$y; k <- ncol(X)
  l <- function(t) sum(dnbinom(y, exp(t[k + 1]), mu = exp(drop(X %*% t[1:k])), log = TRUE))
  o <- maximise(l, c(coef(g), log(g$theta))); stopifnot(abs(exp(o$x[k + 1]) / g$theta - 1) < 1e-5)
  add("negative-binomial", model, c(terms_of(names(coef(g)), factors), "size"), c(o$x[1:k], exp(o$x[k + 1])), c(o$error[1:k], exp(o$x[k + 1]) * o$error[k + 1]), o$value) }
add_nb("quine log: days ~ C(eth) + C(sex) + C(age) + C(lrn)", days ~ eth + sex + age + lrn, q, fq)
add_nb("warpbreaks log: breaks ~ C(wool) + C(tension)", breaks ~ wool + tension, w, list(wool = "B", tension = c("L", "M")))

# --- multinomial: one set of coefficients for every level but the first ---
add_multinom <- function(model, fit, levels, factors = list()) { # finish nnet's BFGS by exact Newton steps
  X <- model.matrix(fit$formula_used, fit$data_used); y <- fit$y_used; w <- fit$w_used; B <- t(coef(fit)); K <- ncol(B) + 1; k <- nrow(B)
  for (turn in 1:30) { E <- cbind(1, exp(X %*% B)); P <- E / rowSums(E); g <- c(); H <- matrix(0, k * (K - 1), k * (K - 1))
    for (j in 2:K) g <- c(g, t(X) %*% (w * ((y == levels[j]) - P[, j])))
    for (j in 2:K) for (m in 2:K) H[(j - 2) * k + 1:k, (m - 2) * k + 1:k] <- -t(X) %*% (w * P[, j] * ((j == m) - P[, m]) * X)
    step <- solve(H, g); B <- B - matrix(step, k) }
  stopifnot(max(abs(step)) < 1e-10, max(abs(t(B) - coef(fit))) < 1e-2 * max(1, max(abs(B))))
  E <- cbind(1, exp(X %*% B)); P <- E / rowSums(E); value <- sum(w * log(P[cbind(seq_along(y), match(y, levels))]))
  names <- terms_of(colnames(X), factors); error <- sqrt(diag(solve(-H)))
  for (j in 2:K) add("multinomial", model, paste0(names, "[", levels[j], "]"), B[, j - 1], error[(j - 2) * k + 1:k], value) }
multi <- function(formula, d, w = rep(1, nrow(d))) { d$w_ <- w; fit <- multinom(formula, d, weights = w_, trace = FALSE, reltol = 1e-15, abstol = 1e-12, maxit = 5000, Hess = FALSE)
  fit$formula_used <- delete.response(terms(formula)); fit$data_used <- d; fit$y_used <- as.character(d[[as.character(formula[[2]])]]); fit$w_used <- w; fit }
add_multinom("birthwt: race ~ age + lwt + smoke", multi(race ~ age + lwt + smoke, b), levels(b$race))
h <- data.frame(sat = as.character(housing$Sat), infl = as.character(housing$Infl), type = as.character(housing$Type), cont = as.character(housing$Cont), freq = housing$Freq); write_data("housing", h)
h$sat_factor <- factor(h$sat, levels = c("High", "Low", "Medium")); h2 <- h; h2$sat <- h$sat_factor
for (v in c("infl", "type", "cont")) { h[[v]] <- factor(h[[v]]); h2[[v]] <- h[[v]] }
fh <- list(infl = c("Low", "Medium"), type = c("Atrium", "Terrace", "Tower"), cont = "Low")
add_multinom("housing weighted by freq: sat ~ C(infl) + C(type) + C(cont)", multi(sat ~ infl + type + cont, h2, h$freq), levels(h2$sat), fh)

# --- ordered: P(Y <= j) = logistic(cut_j - x'b) ---
add_ordered <- function(model, fit, X, y, w, factors = list()) { k <- ncol(X); J <- length(levels(y)) - 1; code <- as.integer(y)
  l <- function(t) { z <- c(-Inf, t[k + 1:J], Inf); e <- drop(X %*% t[1:k]); sum(w * log(plogis(z[code + 1] - e) - plogis(z[code] - e))) }
  o <- maximise(l, c(coef(fit), fit$zeta)); stopifnot(max(abs(o$x - c(coef(fit), fit$zeta))) < 1e-3 * max(1, abs(o$x)))
  cuts <- paste0("cut[", levels(y)[1:J], "|", levels(y)[-1], "]")
  add("ordered", model, c(terms_of(colnames(X), factors), cuts), o$x, o$error, o$value) }
h$sat <- factor(h$sat, levels = c("Low", "Medium", "High"))
o <- polr(sat ~ infl + type + cont, data = transform(h, sat = ordered(sat)), weights = freq, Hess = TRUE)
add_ordered("housing weighted by freq logit Low<Medium<High: sat ~ C(infl) + C(type) + C(cont)", o, model.matrix(~ infl + type + cont, h)[, -1], h$sat, h$freq, fh)

# --- accelerated failure times, right-censored ---
add_survreg <- function(file, model, fit, n_terms, factors = list()) { k <- length(coef(fit)); V <- fit$var; s <- fit$scale
  add(file, model, c(terms_of(names(coef(fit)), factors), "sigma"), c(coef(fit), s), c(sqrt(diag(V))[1:k], s * sqrt(V[k + 1, k + 1])), fit$loglik[2]) }
sharp <- survreg.control(rel.tolerance = 1e-14, toler.chol = 1e-14, maxiter = 200)
l <- data.frame(time = lung$time, event = as.integer(lung$status == 2), age = lung$age, sex = ifelse(lung$sex == 1, "male", "female"), ecog = lung$ph.ecog); l <- na.omit(l); write_data("lung", l)
v <- data.frame(time = ovarian$futime, event = ovarian$fustat, age = ovarian$age, rx = ovarian$rx); write_data("ovarian", v)
for (dist in c("weibull", "lognormal", "loglogistic", "exponential")) {
  g <- survreg(Surv(time, event) ~ age + sex + ecog, l, dist = dist, control = sharp); k <- length(coef(g))
  one <- function(model, g, f = list()) if (dist == "exponential") add("survival", model, terms_of(names(coef(g)), f), coef(g), sqrt(diag(g$var)), g$loglik[2]) else add_survreg("survival", model, g, k, f)
  one(paste0("lung ", dist, ": time ~ age + C(sex) + ecog"), g, list(sex = "male"))
  one(paste0("lung ", dist, ": time ~ 1"), survreg(Surv(time, event) ~ 1, l, dist = dist, control = sharp))
  one(paste0("ovarian ", dist, ": time ~ age + rx"), survreg(Surv(time, event) ~ age + rx, v, dist = dist, control = sharp))
}
t <- tobin; write_data("tobin", t)
add_survreg("survival", "tobin normal left-censored at 0: durable ~ age + quant", survreg(Surv(durable, durable > 0, type = "left") ~ age + quant, t, dist = "gaussian", control = sharp), 3)

# --- interval-censored and truncated: constants ---
data(salinity); data(smokedfish); data(fluazinam)
interval_sets <- list(salinity = salinity, smokedfish = smokedfish, fluazinam = fluazinam)
cdfs <- list(normal = list(d = dnorm, p = pnorm, names = c("mu", "sigma"), pos = c(FALSE, TRUE)), lognormal = list(d = dlnorm, p = plnorm, names = c("mu", "sigma"), pos = c(FALSE, TRUE)),
  weibull = list(d = dweibull, p = pweibull, names = c("shape", "scale"), pos = c(TRUE, TRUE)), gamma = list(d = dgamma, p = pgamma, names = c("shape", "rate"), pos = c(TRUE, TRUE)),
  logistic = list(d = dlogis, p = plogis, names = c("loc", "scale"), pos = c(FALSE, TRUE)))
interval_log <- function(F, a, b, t) { exact <- !is.na(a) & !is.na(b) & a == b; lo <- ifelse(is.na(a), -Inf, a); hi <- ifelse(is.na(b), Inf, b)
  upper <- F$p(lo, t[1], t[2]) > 0.5
  mass <- ifelse(upper, F$p(lo, t[1], t[2], lower.tail = FALSE) - F$p(hi, t[1], t[2], lower.tail = FALSE), F$p(hi, t[1], t[2]) - F$p(lo, t[1], t[2]))
  sum(ifelse(exact, F$d(ifelse(exact, a, 1), t[1], t[2], log = TRUE), log(mass))) }
r_name <- c(normal = "norm", lognormal = "lnorm", weibull = "weibull", gamma = "gamma", logistic = "logis")
for (name in names(interval_sets)) { d <- interval_sets[[name]]; write_data(name, setNames(d, c("lower", "upper")))
  for (family in names(cdfs)) { F <- cdfs[[family]]
    if (family == "normal" && name == "fluazinam") next
    g <- tryCatch(suppressWarnings(fitdistcens(d, r_name[[family]], control = list(reltol = 1e-14, maxit = 20000), silent = TRUE)), error = function(e) NULL)
    if (is.null(g)) g <- list(estimate = c(0.5, 0.0005), loglik = NA)  # fluazinam's gamma: fitdistcens stops with an error
    free <- function(t) ifelse(F$pos, log(t), t); back <- function(u) ifelse(F$pos, exp(u), u)
    o <- maximise(function(u) interval_log(F, d$left, d$right, back(u)), free(unname(g$estimate))); t <- back(o$x)
    stopifnot(is.na(g$loglik) || abs(o$value - g$loglik) < 1e-4)
    add("censored", paste(name, family), F$names, t, o$error * ifelse(F$pos, t, 1), o$value) } }
# delayed entry: the Stanford heart programme would repeat patients, so ages at death of the US flchain cohort instead
set <- flchain[seq(1, nrow(flchain), 20), ]; e <- data.frame(entry = set$age, age = round(set$age + set$futime / 365.25, 4), event = set$death); e <- e[e$age > e$entry, ]; write_data("flchain", e)
entry_log <- function(F, t) sum(ifelse(e$event == 1, F$d(e$age, t[1], t[2], log = TRUE), F$p(e$age, t[1], t[2], lower.tail = FALSE, log.p = TRUE)) - F$p(e$entry, t[1], t[2], lower.tail = FALSE, log.p = TRUE))
left_log <- function(F, y, at, t) sum(F$d(y, t[1], t[2], log = TRUE)) - length(y) * F$p(at, t[1], t[2], lower.tail = FALSE, log.p = TRUE)
data(groundbeef); data(danishuni); ground <- groundbeef$serving[groundbeef$serving > 40]; danish <- danishuni$Loss[danishuni$Loss > 2]
write_data("groundbeef_above_40", data.frame(y = ground)); write_data("danish_above_2", data.frame(y = danish))
starts <- list(flchain = list(weibull = c(8, 88), gamma = c(60, 0.7), normal = c(86, 10), logistic = c(86, 6)), ground = list(weibull = c(2, 80), gamma = c(4, 0.05), lognormal = c(4.2, 0.5)), danish = list(lognormal = c(0, 1)))
for (family in names(starts$flchain)) { F <- cdfs[[family]]; o <- maximise(function(t) if (any(t <= 0)) -Inf else entry_log(F, t), starts$flchain[[family]]); add("truncated", paste("flchain entry event", family), F$names, o$x, o$error, o$value) }
for (family in names(starts$ground)) { F <- cdfs[[family]]; o <- maximise(function(t) if (any(t <= 0)) -Inf else left_log(F, ground, 40, t), starts$ground[[family]]); add("truncated", paste("groundbeef_above_40 below=40", family), F$names, o$x, o$error, o$value) }
F <- cdfs$lognormal; o <- tryCatch(maximise(function(t) if (t[2] <= 0) -Inf else left_log(F, danish, 2, t), starts$danish$lognormal), error = function(e) { cat("danish:", conditionMessage(e), "\n"); NULL })
if (!is.null(o)) add("truncated", "danish_above_2 below=2 lognormal", F$names, o$x, o$error, o$value)

save_all(list(binomial = paste("glm(binomial), epsilon 1e-15;", version()), poisson = paste("glm(poisson), epsilon 1e-15;", version()),
  normal = paste("lm, sigma^2 = SSE/n;", version()), gamma = paste("glm(Gamma(log)) and MASS::gamma.shape; log-likelihood and errors at the maximum;", version("MASS")),
  "negative-binomial" = paste("MASS::glm.nb, finished by Newton; errors from the full observed information;", version("MASS")), multinomial = paste("nnet::multinom, finished by Newton;", version("nnet")),
  ordered = paste("MASS::polr, finished by Newton;", version("MASS")), survival = paste("survival::survreg, sigma its scale (weibull: 1/shape, exp(predictor) the scale), log-likelihood of the times themselves;", version("survival")),
  censored = paste("fitdistrplus::fitdistcens, finished by Newton;", version("fitdistrplus")), truncated = paste("optim on densities over survival at entry, finished by Newton;", version())))
