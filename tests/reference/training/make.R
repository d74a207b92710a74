# Regressions on real data that a network without hidden layers must reproduce.
# Run in tests/reference/training: Rscript make.R. Made with R 4.2 (stats, nnet, MASS).
suppressMessages({library(MASS); library(nnet)})
write_fit <- function(name, how, coefficients, loglik) {
  file <- file(paste0(name, ".csv"), "w")
  cat("# made by make.R with ", R.version.string, ": ", how, "\n", sep = "", file = file)
  cat("term,estimate\n", file = file)
  for (term in names(coefficients)) cat(sprintf("%s,%.17g\n", term, coefficients[[term]]), file = file)
  cat(sprintf("log_likelihood,%.17g\n", loglik), file = file)
  close(file)
}
sample <- function(name) read.csv(file.path("../../../sample_data", name))
tight <- glm.control(epsilon = 1e-15, maxit = 100)
d <- sample("birthwt.csv")
m <- glm(low ~ age + lwt + smoke + ht + ui, binomial, d, control = tight)
write_fit("bernoulli", "glm(low ~ age + lwt + smoke + ht + ui, binomial, birthwt)", coef(m), logLik(m))
d <- sample("solder.csv")
m <- glm(skips ~ opening + panel, poisson, d, control = tight)
write_fit("poisson", "glm(skips ~ opening + panel, poisson, solder)", coef(m), logLik(m))
d <- sample("cars.csv")
m <- lm(dist ~ speed, d)
write_fit("normal", "lm(dist ~ speed, cars)", coef(m), logLik(m))
d <- sample("diabetes.csv")
m <- lm(progression ~ ., d)
write_fit("normal_diabetes", "lm(progression ~ ., diabetes)", coef(m), logLik(m))
d <- na.omit(sample("penguins.csv")[, c("island", "body_mass_g", "flipper_length_mm")])
d$island <- factor(d$island)
# Islands predicted from the body: no separation, so the estimates are finite.
m <- multinom(island ~ I(body_mass_g / 1000) + I(flipper_length_mm / 10), d, trace = FALSE, maxit = 10000, reltol = 1e-16, abstol = 1e-12)
b <- coef(m)
flat <- c()
for (level in rownames(b)) for (term in colnames(b)) flat[paste0(level, ":", term)] <- b[level, term]
write_fit("categorical", "multinom(island ~ I(body_mass_g / 1000) + I(flipper_length_mm / 10), complete rows of penguins)", flat, logLik(m))
