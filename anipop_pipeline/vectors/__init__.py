"""Where vectors live, so that every text and picture goes through an encoder once, ever.

A shelf holds all vectors of one encoder, pooling, length and precision: <lake>/cache/embeddings/<shelf>/ has parts
(sorted keys beside their vectors, named by content) and `about.json`, which says what they are. While a run computes,
its vectors lie in a journal on the local disk, where kill -9 cannot reach them; at its end they are sealed into one
part. A journal whose run was killed is sealed by the next run that looks into its shelf.

Belongs here: everything that knows a path of the cached vectors. Does not: what a key stands for (stages/embed).
"""

from anipop_pipeline.vectors.store import Pruned, Shelf, VectorStore, used

__all__ = ["Pruned", "Shelf", "VectorStore", "used"]
