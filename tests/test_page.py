from mrcnn import page


def test_text_of_others_cannot_become_html():
    made = page.document("<t>", [page.table("a & b", ["<c>"], [["<script>"]]), page.figure(b"x", "<'\">")])
    assert "<script>" not in made and "&lt;script&gt;" in made and "a &amp; b" in made
    assert "alt='&lt;&#x27;&quot;&gt;'" in made and "data:image/png;base64,eA==" in made


def test_columns_of_a_table_are_aligned():
    assert page.text(["class", "AP"], [["cat", 0.5], ["elephant", 1]]) == "  class      AP\n  cat       0.5\n  elephant    1"
