"""Run records: what one arm did on one data set under one seed."""

from harness.records.model import Record, RecordFolder, find_records, read_record

__all__ = ["Record", "RecordFolder", "find_records", "read_record"]
