using Natalia.Backup.Hypervisors.HyperV.Notes;

namespace Natalia.Backup.Hypervisors.Tests.HyperV;

public sealed class NoteTests
{
    private static readonly BackupMark s_mark = new()
    {
        RunId = new string('1', 32),
        RepositoryId = new string('2', 32),
        HistoryId = new string('3', 32),
        MachineId = "6F0F8F9E-3A55-4A6E-9A86-1F3C2F0F7C11",
        StartedUtc = new DateTime(2026, 11, 29, 20, 30, 0, DateTimeKind.Utc),
        SnapshotId = "Microsoft:6F0F8F9E-3A55-4A6E-9A86-1F3C2F0F7C12",
        Disks = [new MarkedDisk("scsi0:0", "6F0F8F9E-3A55-4A6E-9A86-1F3C2F0F7C13", "00ff"),
            new MarkedDisk("scsi0:1", "-", null)],
    };

    [Fact]
    public void A_record_survives_between_what_people_write()
    {
        string notes = NoteText.WithBackup(["Owner: ops\nCall before reboot"], s_mark.RunId, s_mark);
        Assert.StartsWith("Owner: ops\r\nCall before reboot\r\nnatalia-backup:", notes, StringComparison.Ordinal);
        BackupMark read = Assert.Single(NoteText.Backups([notes], s_mark.MachineId.ToLowerInvariant()));
        Assert.Equal(s_mark.Disks, read.Disks);
        Assert.Equal(s_mark with { Disks = [] }, read with { Disks = [] });
        Assert.Equal("Owner: ops\r\nCall before reboot", NoteText.WithBackup([notes], s_mark.RunId, null));
        Assert.Equal("Owner: ops\r\nCall before reboot", NoteText.WithoutMarks([notes]));
    }

    [Fact]
    public void A_record_is_exchanged_and_others_stay()
    {
        BackupMark other = s_mark with { RunId = new string('9', 32) };
        string notes = NoteText.WithBackup([NoteText.WithBackup([], other.RunId, other)], s_mark.RunId, s_mark);
        notes = NoteText.WithBackup([notes], s_mark.RunId, s_mark with { ReferenceId = "Microsoft:R" });
        Assert.Equal([null, "Microsoft:R"], NoteText.Backups([notes], s_mark.MachineId).Select(m => m.ReferenceId));
    }

    [Fact]
    public void The_notes_of_an_imported_copy_record_nothing_of_it()
    {
        string notes = NoteText.WithBackup([], s_mark.RunId, s_mark);
        Assert.Empty(NoteText.Backups([notes], Guid.NewGuid().ToString()));
    }

    [Theory]
    [InlineData("natalia-backup:")]
    [InlineData("natalia-backup: run=1")]
    [InlineData("natalia-backup: run=x repository=y history=z vm=w")]
    [InlineData(" natalia-backup: of Tuesday")]
    public void What_is_no_record_is_what_people_write(string line) => Assert.Null(BackupMark.TryParse(line));

    [Fact]
    public void Records_of_buildings_and_tests_survive()
    {
        var build = new BuildMark("mine", s_mark.StartedUtc, @"D:\My VMs\natalia-1");
        var test = new TestMark("run1", s_mark.StartedUtc, @"D:\My VMs\natalia-1", "Isolated | really");
        string notes = "Hello\r\n" + build.ToLine() + "\r\n" + test.ToLine();
        Assert.Equal((build, test), (NoteText.Build([notes]), NoteText.Test([notes])));
        Assert.Equal("Hello\r\n" + test.ToLine(), NoteText.WithoutBuild([notes]));
    }
}
