using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Restore;

namespace Natalia.Backup.Engine.Tests.Restore;

public sealed class DiskChoiceTests
{
    [Theory]
    [InlineData("scsi0:System scsi1:Data", null, "scsi1")]
    [InlineData("scsi0:System", null, "scsi0")]
    [InlineData("scsi0:System scsi1:Data", "scsi0", "scsi0")]
    [InlineData("scsi0:System scsi1:Data", "SCSI0", "scsi0")]
    [InlineData("Disk:System disk:Data", "disk", "disk")]
    [InlineData("Disk:System disk:Data", "DISK", "Disk")]
    public void The_disk_is_the_named_one_or_the_only_one_or_the_only_data_disk(string disks, string? asked,
        string meant) =>
        Assert.Equal(meant, DiskChoice.Of(Point(disks), asked).DiskId);

    [Theory]
    [InlineData("scsi0:System scsi1:System", null, ErrorIds.DiskAmbiguous)]
    [InlineData("scsi0:Data scsi1:Data", null, ErrorIds.DiskAmbiguous)]
    [InlineData("scsi0:System scsi1:Data", "scsi2", ErrorIds.DiskNotFound)]
    [InlineData("scsi0:System", "", ErrorIds.DiskNotFound)]
    public void Nothing_is_guessed_and_the_disks_are_named(string disks, string? asked, string error)
    {
        NataliaException refused = Assert.Throws<NataliaException>(() => DiskChoice.Of(Point(disks), asked));
        Assert.Equal(error, refused.ErrorId);
        Assert.Contains("scsi0 (", refused.Message, StringComparison.Ordinal);
    }

    private static RestorePoint Point(string disks) => new()
    {
        RestorePointId = new string('1', 32),
        ApplianceId = new string('a', 32),
        ApplianceName = "natalia-paris",
        RepositoryId = new string('b', 32),
        Repository = "nas",
        TimeUtc = DateTime.UnixEpoch,
        Disks = [.. disks.Split(' ').Select(d => d.Split(':'))
            .Select(d => new RestorePointDisk(d[0], (DiskRole)Enum.Parse(typeof(DiskRole), d[1]), 10, 10))],
    };
}
