"""The page `assets/python.md`: its code runs, from the first block to the last."""

import os
import re
import tempfile
import unittest
from pathlib import Path

PAGE = Path(__file__).parents[2] / "assets" / "python.md"


class Page(unittest.TestCase):
    def test_the_code_of_the_page_runs(self):
        text = PAGE.read_text(encoding="utf-8")
        blocks = [(m.group(1), text[: m.start()].count("\n") + 2) for m in re.finditer(r"```python\n(.*?)```", text, re.S)]
        self.assertGreater(len(blocks), 5)
        names, before = {}, os.getcwd()
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            try:
                for block, line in blocks:
                    code = compile("\n" * (line - 1) + block, str(PAGE), "exec")
                    exec(code, names)
            finally:
                os.chdir(before)


if __name__ == "__main__":
    unittest.main()
