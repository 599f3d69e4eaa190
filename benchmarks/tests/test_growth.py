"""What a row of the growth table says."""

from benchmarks.growth import Row, Spent


def test_a_row_gives_each_step_its_share():
    row = Row("part 1", 1_000, 2_000, Spent(2.0, 0.5, 1.5), 0.8, 0.2)
    assert row.cells() == ["part 1", "2,000", "2.00", "0.50", "1.50", "500", "1,500", "0.80", "0.20", "500"]


def test_a_vacuum_is_about_no_step():
    row = Row("vacuum", 0, 0, Spent(2.0, 0.5, 1.5), 0.8, 0.2)
    assert row.cells()[5:7] == ["-", "-"]
    assert row.cells()[-1] == "0.00"
