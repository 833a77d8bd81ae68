from pathlib import Path

from elman import errors
from elman.data import read

Path("rows.csv").write_text("text,label\nhello,greet\nyes, of course,agree\nbye\n")
try:
    read("rows.csv")
except errors.DataError as error:
    print(error)
