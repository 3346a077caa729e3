using Natalia.Backup.Cmdlets.Tests.Fakes;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Backup;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Cmdlets.Tests.Runs;

/// <summary>What is removed of histories with which a VM does not go on.</summary>
public sealed class LeftoversTests
{
    [Fact]
    public async Task A_run_in_one_history_keeps_nothing_of_another_one()
    {
        using var fixture = new RepositoryFixture();
        using Repository repository = await fixture.CreateAsync();
        using Repository other = await fixture.OpenAsync();
        using var hypervisor = new FakeHypervisor();
        string busy = new('b', 32), free = new('c', 32);
        hypervisor.Leftovers.AddRange(new[] { busy, free }.Select(history => new Leftover
        {
            Id = history,
            Description = "a snapshot",
            ApplianceId = hypervisor.Appliance.ApplianceId,
            RepositoryId = repository.RepositoryId,
            HistoryId = history,
            RunId = new string('d', 32),
        }));

        await other.WhileHeldAsync(busy, async stop =>
        {
            (IReadOnlyList<string> removed, IReadOnlyList<string> kept) = await Leftovers.RemoveFormerAsync(hypervisor,
                hypervisor.Appliance, repository, _ => true, stop);
            Assert.StartsWith($"natalia-test: a snapshot of its history {free} ", Assert.Single(removed));
            Assert.StartsWith($"natalia-test: what backups left on it of its history {busy} in 'bench' could not be "
                + "removed: ", Assert.Single(kept));
        }, default);
        Assert.Equal(busy, Assert.Single(hypervisor.Leftovers).HistoryId);
    }
}
