using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.VSphere.ChangeTracking;
using Natalia.Backup.Hypervisors.VSphere.Client;
using Natalia.Backup.Hypervisors.VSphere.Snapshots;

namespace Natalia.Backup.Hypervisors.Tests.VSphere.ChangeTracking;

public sealed class DiskTrackerTests
{
    private const string Family = "52 2d 7b 8f ac 61 51 cc-77 4c 7b ec 91 50 bb 7b";

    private static readonly FrozenVirtualDisk s_disk = new()
    {
        DiskId = "scsi0:1",
        Key = 2001,
        SizeBytes = 1 << 30,
        FileName = "[ds1] natalia/natalia_1.vmdk",
        Uuid = "6000C29a-1111",
        ChangeId = Family + "/7",
        BackingType = "VirtualDiskFlatVer2BackingInfo",
    };

    private readonly List<string> _asked = [];

    [Fact]
    public async Task Changes_are_counted_from_the_token_of_an_earlier_state()
    {
        string since = Tracker(s_disk with { ChangeId = Family + "/3" }).Token!;

        ChangedExtents answer = await Tracker(s_disk).GetChangesAsync(since, default);

        Assert.Equal([new Extent(4096, 512)], answer.Extents);
        Assert.Equal([Family + "/3"], _asked);
    }

    [Fact]
    public void The_token_of_an_untracked_disk_is_none_and_any_text_goes_through_one()
    {
        Assert.Null(Tracker(s_disk with { ChangeId = null }).Token);
        Assert.Null(Tracker(s_disk with { ChangeId = "" }).Token);
        foreach (string uuid in new[] { "a|b", "%7C", "100%|", "é\u202e" })
        {
            CbtToken? token = CbtToken.TryParse(Tracker(s_disk with { Uuid = uuid, ChangeId = "x|y/1" }).Token!);
            Assert.Equal(new CbtToken(uuid, 1 << 30, "x|y/1"), token);
        }
    }

    public static TheoryData<string, string> Refused => new()
    {
        { new CbtToken("6000C29a-2222", 1 << 30, Family + "/3").ToText(), "another disk has taken its place" },
        { new CbtToken("6000C29a-1111", 1 << 29, Family + "/3").ToText(), "it was resized from 536870912" },
        { new CbtToken("6000C29a-1111", 1 << 30, "53 00/3").ToText(), "begun its change tracking anew" },
        { new CbtToken("6000C29a-1111", 1 << 30, Family + "/7").ToText(), "was set back" },
        { new CbtToken("6000C29a-1111", 1 << 30, Family + "/12").ToText(), "was set back" },
        // Later snapshots raised the number past the one that the point had.
        {
            new DiskTracker(s_disk with { ParentCount = 1, ChangeId = Family + "/3" }, "VMFS", null!).Token!,
            "may have been set back since"
        },
        { "hyperv1|a|b", "is no token of VMware's" },
        { "", "is no token of VMware's" },
        { "vsphere1|x|-5|y", "is no token of VMware's" },
        { "vsphere1|x|99999999999999999999|y", "is no token of VMware's" },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public async Task A_token_of_another_state_of_things_is_answered_with_a_reason_and_not_asked_about(string token,
        string why)
    {
        ChangedExtents answer = await Tracker(s_disk).GetChangesAsync(token, default);

        Assert.Null(answer.Extents);
        Assert.Contains(why, answer.Reason);
        Assert.EndsWith(".", answer.Reason);
        Assert.Empty(_asked);
    }

    [Fact]
    public async Task A_change_id_of_an_unknown_form_is_handed_back_as_it_is()
    {
        string since = Tracker(s_disk with { ChangeId = "opaque" }).Token!;

        ChangedExtents answer = await Tracker(s_disk with { ChangeId = "opaque too" }).GetChangesAsync(since, default);

        Assert.NotNull(answer.Extents);
        Assert.Equal(["opaque"], _asked);
    }

    [Theory]
    [InlineData("FileFault", "no longer knows the state")]
    [InlineData("InvalidArgument", "could not tell what changed: a fault")]
    [InlineData("SystemError", "could not tell what changed: a fault")]
    public async Task A_fault_about_the_tracking_is_a_reason(string fault, string why)
    {
        string since = Tracker(s_disk with { ChangeId = Family + "/3" }).Token!;

        ChangedExtents answer = await Tracker(s_disk, fault: Fault(fault)).GetChangesAsync(since, default);

        Assert.Null(answer.Extents);
        Assert.Contains(why, answer.Reason);
    }

    [Fact]
    public async Task A_lost_right_or_connection_is_no_reason_but_an_error()
    {
        string since = Tracker(s_disk with { ChangeId = Family + "/3" }).Token!;
        NataliaException away = new(ErrorIds.ServerUnreachable, NataliaErrorKind.Connection, "away.");

        foreach (NataliaException fault in new[] { Fault("NoPermission"), Fault("ManagedObjectNotFound"), away })
            Assert.Same(fault, await Assert.ThrowsAnyAsync<NataliaException>(
                () => Tracker(s_disk, fault: fault).GetChangesAsync(since, default)));
    }

    [Theory]
    [InlineData("VMFS", true)]
    [InlineData("NFS", true)]
    [InlineData("NFS41", true)]
    [InlineData("vsan", false)]
    [InlineData("VVOL", false)]
    [InlineData(null, false)]
    public async Task What_was_ever_allocated_is_asked_on_vmfs_and_nfs_alone(string? type, bool isAsked)
    {
        IReadOnlyList<Extent> extents = await Tracker(s_disk, type).GetAllocatedAsync(default);

        Assert.Equal(isAsked ? [new Extent(4096, 512)] : [new Extent(0, 1 << 30)], extents);
        Assert.Equal(isAsked ? ["*"] : [], _asked);
    }

    [Fact]
    public async Task Where_that_is_not_told_the_whole_disk_is_read()
    {
        IReadOnlyList<Extent> whole = [new Extent(0, 1 << 30)];

        Assert.Equal(whole, await Tracker(s_disk, "VMFS", Fault("FileFault")).GetAllocatedAsync(default));
        Assert.Equal(whole, await Tracker(s_disk with { ChangeId = null }, "VMFS").GetAllocatedAsync(default));
        Assert.Empty(await Tracker(s_disk with { SizeBytes = 0, ChangeId = null }, "VMFS").GetAllocatedAsync(default));
    }

    private DiskTracker Tracker(FrozenVirtualDisk disk, string? type = "VMFS", NataliaException? fault = null) =>
        new(disk, type, (changeId, offset, _) =>
        {
            _asked.Add(changeId);
            return fault is not null
                ? Task.FromException<DiskChanges>(fault)
                : Task.FromResult(new DiskChanges(offset, disk.SizeBytes - offset, [new ChangedArea(4096, 512)]));
        });

    private static VimFaultException Fault(string name) =>
        new(ErrorIds.ServerRefused, NataliaErrorKind.InvalidOperation, "a fault.", name);
}
