using Natalia.Backup.Hypervisors.VSphere.Snapshots;

namespace Natalia.Backup.Hypervisors.Tests.VSphere.Snapshots;

public sealed class SnapshotMarkTests
{
    [Fact]
    public void A_mark_is_read_as_it_was_written()
    {
        var mark = new SnapshotMark
        {
            RunId = new string('1', 32),
            RepositoryId = new string('2', 32),
            HistoryId = new string('3', 32),
            MachineId = "bfff331f-7f07-572d-951e-edd3701dc061",
            StartedUtc = new DateTime(2026, 11, 30, 1, 2, 3, DateTimeKind.Utc),
        };
        Assert.Equal(mark, SnapshotMark.TryParse(mark.ToDescription()));
        SnapshotMark note = mark with { RepositoryId = "", HistoryId = "", Note = "two\nlines" };
        Assert.Equal(note, SnapshotMark.TryParse(note.ToDescription()));
        Assert.False(note.IsBackup);
    }

    [Theory]
    [InlineData("")]
    [InlineData("Natalia.Backup of another product")]
    [InlineData("natalia-backup:")]
    [InlineData("natalia-backup: run=1 repository=2 history=3 vm=x")]
    [InlineData("natalia-backup: run=11111111111111111111111111111111 vm=x")]
    [InlineData("natalia-backup: nonsense")]
    public void What_only_looks_alike_is_none(string description) =>
        Assert.Null(SnapshotMark.TryParse(description));
}
