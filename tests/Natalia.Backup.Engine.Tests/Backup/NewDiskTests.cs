using Natalia.Backup.Engine.Backup;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Testing;
using static Natalia.Backup.Testing.RepositoryFixture;

namespace Natalia.Backup.Engine.Tests.Backup;

/// <summary>A VM that got another disk.</summary>
public sealed class NewDiskTests
{
    [Fact]
    public async Task A_damaged_manifest_behind_the_newest_is_a_reason_for_the_new_disk_alone()
    {
        using var store = new MemoryStore();
        using var fixture = new RepositoryFixture(store);
        byte[] disk = Disk(4 << 20, 1), added = Disk(1 << 20, 2);
        using (Repository repository = await fixture.CreateAsync())
        {
            await BackupAsync(repository, disk);
            await BackupAsync(repository, disk);
        }
        string oldest = (await store.ListAllAsync(Layout.Manifests(Appliance.ApplianceId), default))[0].Name;
        store.Tamper(oldest, bytes => { bytes[bytes.Length / 2] ^= 1; return bytes; });
        using Repository later = await fixture.OpenAsync();
        BackupRequest request = Request(new MemoryDiskSource(disk));
        RestorePoint made = await later.BackupAsync(request with
        {
            Disks = [.. request.Disks, new BackupDisk("scsi2", DiskRole.Data, new MemoryDiskSource(added))],
        }, null, null, default);
        Assert.Contains("every disk that no later one has was stored anew", made.Reason, StringComparison.Ordinal);
        Assert.DoesNotContain("everything", made.Reason, StringComparison.Ordinal);
        Assert.True(made.StoredBytes < 2 << 20, $"{made.StoredBytes} bytes stored");
        Assert.Equal(disk, await RestoreAsync(later, made, "scsi1"));
        Assert.Equal(added, await RestoreAsync(later, made, "scsi2"));
    }
}
