using Natalia.Backup.Engine.Backup;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Engine.Tests.Backup;

/// <summary>Whose the newest point of a history is.</summary>
public sealed class FollowedVMTests
{
    [Fact]
    public async Task A_vm_whose_disks_have_other_ids_is_another_vm_too()
    {
        using var fixture = new RepositoryFixture();
        using Repository repository = await fixture.CreateAsync();
        ApplianceDescription lost = RepositoryFixture.Appliance with { NativeId = "a" };
        ApplianceDescription restored = RepositoryFixture.Appliance with { NativeId = "b" };
        await BackUpAsync(repository, lost, "scsi1");
        Assert.False(await FollowsAnotherAsync(repository, lost, "scsi1"));
        await BackUpAsync(repository, restored, "virtio1");

        Assert.True(await FollowsAnotherAsync(repository, lost, "scsi1"));
        Assert.False(await FollowsAnotherAsync(repository, restored, "virtio1"));
    }

    /// <summary>Of tracked disks: of others a point does not say which VM they were of.</summary>
    private static Task<RestorePoint> BackUpAsync(Repository repository, ApplianceDescription vm, string diskId)
    {
        var disk = new TrackedMemoryDiskSource(RepositoryFixture.Disk(70_000, 1), "t1",
            new Dictionary<string, byte[]>());
        return repository.BackupAsync(RepositoryFixture.Request(disk) with
        {
            Appliance = vm,
            Disks = [new BackupDisk(diskId, DiskRole.Data, disk)],
        }, null, null, default);
    }

    private static async Task<bool> FollowsAnotherAsync(Repository repository, ApplianceDescription vm, string diskId)
    {
        await using PendingBackup pending = await repository.BeginBackupAsync(vm.ApplianceId, vm, [diskId], default);
        return pending.FollowsAnotherVM;
    }
}
