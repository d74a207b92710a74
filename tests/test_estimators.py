"""The scikit-learn style estimators pass scikit-learn's own checks."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.model_selection import cross_val_score
from sklearn.utils.estimator_checks import estimator_checks_generator

import mlefit

FAST = {"epochs": 100}


def checks():
    found = []
    # The estimators follow the conventions without inheriting from scikit-learn, which they do not need.
    warnings.filterwarnings("ignore", message=".*does not inherit from")
    for estimator in (mlefit.NLLRegressor("gaussian-nll", **FAST), mlefit.NLLClassifier(**FAST)):
        for instance, check in estimator_checks_generator(estimator):
            name = check.func.__name__ if hasattr(check, "func") else str(check)
            found.append(pytest.param(instance, check, id=f"{type(instance).__name__}-{name}"))
    return found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("estimator", "check"), checks())
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("loss", ["mse", "gaussian-nll", "mae", "student-t"])
def test_regressor_beats_the_mean_out_of_sample(loss):
    x, y = load_diabetes(return_X_y=True)
    assert cross_val_score(mlefit.NLLRegressor(loss), x, y, cv=3).mean() > 0.35


@pytest.mark.parametrize("loss", ["bce", "cross-entropy"])
def test_classifier_on_real_data(loss):
    x, y = load_breast_cancer(return_X_y=True)
    assert cross_val_score(mlefit.NLLClassifier(loss), x, y, cv=3).mean() > 0.94


def test_labels_of_any_kind_come_back():
    x = np.linspace(-2, 2, 60)[:, None]
    y = np.where(x[:, 0] > 0, "yes", "no")
    model = mlefit.NLLClassifier("bce", epochs=300).fit(x, y)
    assert list(model.classes_) == ["no", "yes"]
    assert list(model.predict([[-2.0], [2.0]])) == ["no", "yes"]
    np.testing.assert_allclose(model.predict_proba(x).sum(axis=1), 1)
    own = -np.log(model.predict_proba(x)[np.arange(60), (y == "yes").astype(int)]).mean()
    np.testing.assert_allclose(model.nll(x, y), own, rtol=1e-10)


def test_quantiles_are_those_of_the_predicted_distribution():
    x, y = load_diabetes(return_X_y=True)
    model = mlefit.NLLRegressor("gaussian-nll").fit(x, y)
    low, high = model.predict_quantile(x, 0.05), model.predict_quantile(x, 0.95)
    assert 0.8 < np.mean((low <= y) & (y <= high)) < 0.97
