"""The keys of texts as TensorFlow operations, for models whose keys own vectors.

As `smt_model.hashing_graph`, made of stock operations alone. Source of the algorithm: Austin
Appleby's reference, MurmurHash3_x64_128 in
https://github.com/aappleby/smhasher/blob/master/src/MurmurHash3.cpp
"""

import tensorflow as tf

from smt_model.hashing_graph import CHUNK, mix_chunks

_C1, _C2 = 0x87C37B91114253D5, 0x4CF5AD432745937F


def key_of(texts: tf.Tensor, seed: tf.Tensor | int) -> tf.Tensor:
    """Return the key of each text, equal to that of `smt_features.hashing.key`.

    The lower 63 bits of the first half of MurmurHash3 x64 128-bit. Any bytes of any length are
    hashed exactly, at the cost of `murmur3_32`.

    Parameters
    ----------
    texts
        string [N].
    seed
        Seed of the hash, 0 to 2³² - 1; a tensor is uint32 [].

    Returns
    -------
    tf.Tensor
        int64 [N], not negative.
    """

    def mix(
        chunk: tf.Tensor, left: tf.Tensor, first: tf.Tensor, second: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        words = tf.bitcast(tf.io.decode_raw(chunk, tf.int64, fixed_length=CHUNK), tf.uint64)
        low, high = tf.unstack(words, 2, axis=1)
        begun = _xor(first, _rotate(low * _u64(_C1), 31) * _u64(_C2))
        ended = _xor(second, _rotate(high * _u64(_C2), 33) * _u64(_C1))
        mixed = (_rotate(begun, 27) + second) * _u64(5) + _u64(0x52DCE729)
        other = (_rotate(ended, 31) + mixed) * _u64(5) + _u64(0x38495AB5)
        # The last bytes of a text are mixed in without the second half of the round.
        is_whole = left >= CHUNK
        return tf.where(is_whole, mixed, begun), tf.where(is_whole, other, ended)

    initial = tf.fill([tf.size(texts)], tf.cast(tf.convert_to_tensor(seed, tf.uint32), tf.uint64))
    lengths = tf.cast(tf.strings.length(texts), tf.uint64)
    first, second = (_xor(state, lengths) for state in mix_chunks(texts, mix, [initial, initial]))
    first += second
    second += first
    hashed = _finish(first) + _finish(second)
    return tf.bitcast(tf.bitwise.bitwise_and(hashed, _u64((1 << 63) - 1)), tf.int64)


def _finish(state: tf.Tensor) -> tf.Tensor:
    state = _fold(state) * _u64(0xFF51AFD7ED558CCD)
    state = _fold(state) * _u64(0xC4CEB9FE1A85EC53)
    return _fold(state)


def _fold(state: tf.Tensor) -> tf.Tensor:
    return _xor(state, tf.bitwise.right_shift(state, _u64(33)))


def _rotate(word: tf.Tensor, bits: int) -> tf.Tensor:
    left = tf.bitwise.left_shift(word, _u64(bits))
    return tf.bitwise.bitwise_or(left, tf.bitwise.right_shift(word, _u64(64 - bits)))


def _xor(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    return tf.bitwise.bitwise_xor(left, right)


def _u64(value: int) -> tf.Tensor:
    return tf.constant(value, tf.uint64)
