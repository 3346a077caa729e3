using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repair;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Testing;
using static Natalia.Backup.Testing.RepositoryFixture;

namespace Natalia.Backup.Engine.Tests.Repair;

/// <summary>
/// The copy of what is whole of a damaged pack: it takes the pack's place only when it is whole itself.
/// </summary>
public sealed class SalvageProofTests
{
    /// <param name="isUnreadable">Whether the medium gives the copy's bytes back at all.</param>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_copy_that_broke_as_it_was_put_replaces_nothing(bool isUnreadable)
    {
        using var store = new MemoryStore();
        using var fixture = new RepositoryFixture(store);
        byte[] disk = Disk(2 << 20, 1);
        RestorePoint point;
        using (Repository repository = await fixture.CreateAsync()) point = await BackupAsync(repository, disk);
        string pack = (await store.ListAllAsync($"appliances/{Appliance.ApplianceId}/data/", default))[0].Name;
        // Its checksum alone: all that is needed of it is whole.
        store.Tamper(pack, bytes => { bytes[bytes.Length - 1] ^= 1; return bytes; });

        var hooked = new HookStore(store)
        {
            After = operation =>
            {
                if (operation == $"put {pack}.r1")
                    store.Tamper(pack + ".r1", bytes => { bytes[bytes.Length / 2] ^= 1; return bytes; });
                return Task.CompletedTask;
            },
            Before = operation => isUnreadable && operation == $"read {pack}.r1"
                ? throw new NataliaException(ErrorIds.StoreReadFailed, NataliaErrorKind.ReadFailed,
                    "A bad sector, on purpose.", pack + ".r1")
                : Task.CompletedTask,
        };
        using (Repository broken = await fixture.OpenAsync(hooked))
        {
            RepairFinding kept = Assert.Single((await RepairAsync(broken)).Findings,
                f => f.Kind == RepairFindingKind.PackDamaged);
            Assert.Equal((RepairAction.Kept, pack), (kept.Action, kept.Object));
        }
        Assert.Equal([pack], (await store.ListAllAsync(pack, default)).Select(o => o.Name));
        using Repository whole = await fixture.OpenAsync();
        Assert.Equal(disk, await RestoreAsync(whole, point));

        Assert.Equal(RepairAction.Rebuilt, Assert.Single((await RepairAsync(whole)).Findings,
            f => f.Kind == RepairFindingKind.PackDamaged).Action);
        Assert.Equal([pack + ".r1"], (await store.ListAllAsync(pack, default)).Select(o => o.Name));
        using Repository after = await fixture.OpenAsync();
        Assert.Equal(disk, await RestoreAsync(after, point));
    }

    private static Task<RepairReport> RepairAsync(Repository repository) =>
        repository.RepairAsync(new RepairOptions { Full = true }, (_, why) => Assert.Fail(why.ToString()), null,
            default);
}
