using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Hypervisors.Tests.Contract;

public sealed class DataDiskRuleTests
{
    [Theory]
    [InlineData("scsi0:Data", "scsi0")]
    [InlineData("scsi0:System scsi1:Data scsi2:Unknown", "scsi1")]
    [InlineData("scsi0:System scsi1:Unknown", "scsi1")]
    [InlineData("only:Unknown", "only")]
    public void The_stated_data_disk_or_the_only_one_that_is_not_the_system_disk_is_taken(string disks, string expected)
    {
        Assert.Equal(expected, DataDiskRule.Choose(Vm(disks)).DiskId);
        Assert.Equal(expected, DataDiskRule.TryChoose(Vm(disks))?.DiskId);
    }

    [Theory]
    [InlineData("a:Unknown b:Unknown")]
    [InlineData("a:Data b:Data c:System")]
    [InlineData("s:System a:Unknown b:Unknown")]
    public void Several_that_could_be_meant_are_named_and_none_is_guessed(string disks)
    {
        NataliaException e = Assert.Throws<NataliaException>(() => DataDiskRule.Choose(Vm(disks)));

        Assert.Equal(ErrorIds.DiskAmbiguous, e.ErrorId);
        Assert.Contains("'a', 'b'", e.Message);
        Assert.Contains("-DataDisk 'a'", e.RecommendedAction);
        Assert.Null(DataDiskRule.TryChoose(Vm(disks)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("scsi0:System")]
    public void Without_any_that_could_hold_data_there_is_none(string disks)
    {
        Assert.Equal(ErrorIds.DiskNotFound,
            Assert.Throws<NataliaException>(() => DataDiskRule.Choose(Vm(disks))).ErrorId);
        Assert.Null(DataDiskRule.TryChoose(Vm(disks)));
    }

    [Theory]
    [InlineData("b", "b")]
    [InlineData("S", "s")]
    [InlineData("A", "a")]
    public void The_users_word_stands_above_every_role_and_ignores_case(string stated, string expected)
    {
        ApplianceDescription vm = Vm("s:System a:Data b:Unknown");

        Assert.Equal(expected, DataDiskRule.Choose(vm, stated).DiskId);
        Assert.Equal(expected, DataDiskRule.TryChoose(vm, stated)?.DiskId);
    }

    [Fact]
    public void Where_only_the_case_differs_it_decides()
    {
        ApplianceDescription vm = Vm("disk:Unknown DISK:Unknown");

        Assert.Equal("DISK", DataDiskRule.Choose(vm, "DISK").DiskId);
        Assert.Equal(ErrorIds.DiskNotFound,
            Assert.Throws<NataliaException>(() => DataDiskRule.Choose(vm, "Disk")).ErrorId);
    }

    [Fact]
    public void A_name_that_is_no_disk_is_answered_with_those_there_are()
    {
        NataliaException e = Assert.Throws<NataliaException>(() => DataDiskRule.Choose(Vm("a:Data b:System"), "c"));

        Assert.Equal(ErrorIds.DiskNotFound, e.ErrorId);
        Assert.Contains("'a', 'b'", e.Message);
        Assert.Null(DataDiskRule.TryChoose(Vm("a:Data"), "c"));
    }

    private static ApplianceDescription Vm(string disks) => new()
    {
        ApplianceId = new string('0', 32),
        Name = "natalia",
        HypervisorKind = "Folder",
        Disks = [.. disks.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(d => d.Split(':'))
            .Select(d => new ApplianceDisk(d[0], Enum.Parse<DiskRole>(d[1]), null))],
    };
}
