from pathlib import Path

from elman import errors
from elman.data import read

Path("reviews.csv").write_bytes("评论,感情\n很好吃,好\n太贵了,坏\n".encode("gb18030"))
try:
    read("reviews.csv")
except errors.DataError as error:
    print(error)

print(read("reviews.csv", encoding="gb18030").column("评论"))
