from statistics import NormalDist

import numpy as np

from smt_model.ev.initial import first_vectors


def keys(count: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 2**63, count)


def test_a_vector_depends_on_its_key_alone_and_not_on_its_company() -> None:
    many = keys(50)
    together = first_vectors(many, 10, stream=7)
    for number in (0, 31, 49):
        alone = first_vectors(many[[number]], 10, stream=7)
        np.testing.assert_array_equal(alone[0], together[number])


def test_other_streams_give_other_vectors() -> None:
    one, other = (first_vectors(keys(100), 8, stream) for stream in (1, 100))
    assert np.abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.1


def test_components_are_a_truncated_normal_of_deviation_one_over_root_dim() -> None:
    values = first_vectors(keys(20_000), 16, stream=3).astype(np.float64) * 4
    assert abs(values).max() <= 2
    assert abs(values.mean()) < 0.01
    # A standard normal cut at ±2 has variance 1 - 4·φ(2) / (2·Φ(2) - 1) = 0.7737.
    assert abs(values.var() - 0.7737) < 0.01
    middle = np.mean(np.abs(values) < 1)  # (2Φ(1) - 1) / (2Φ(2) - 1) = 0.7152
    assert abs(middle - 0.7152) < 0.01
    correlation = np.corrcoef(values.T) - np.eye(16)
    assert np.abs(correlation).max() < 0.04


def test_components_are_quantiles_that_the_bits_of_splitmix64_pick() -> None:
    key, stream, dim, word = 123456789, 41, 6, 2**64 - 1
    expected = []
    for number in range(dim):
        z = key + (stream + number // 4) * 0x9E3779B97F4A7C15 & word
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & word
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB & word
        bits = (z ^ (z >> 31)) >> 16 * (number % 4) & 0xFFFF
        low, high = NormalDist().cdf(-2), NormalDist().cdf(2)
        expected.append(NormalDist().inv_cdf(low + (high - low) * (bits + 0.5) / 2**16))
    vector = first_vectors(np.array([key]), dim, stream)[0]
    np.testing.assert_allclose(vector, np.array(expected) / dim**0.5, rtol=1e-6)
