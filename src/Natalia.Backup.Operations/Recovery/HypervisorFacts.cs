using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Appliances;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Operations.Recovery;

/// <summary>What the connected hypervisors tell of the appliances: asked once for all of them.</summary>
internal sealed class HypervisorFacts
{
    private readonly Dictionary<string, LocatedAppliance> _shown = new(StringComparer.Ordinal);
    private readonly List<ReplicationState> _replications = [];
    private readonly List<NativeSchedule> _schedules = [];
    private readonly IReadOnlyList<HypervisorConnection> _all;

    private HypervisorFacts(IReadOnlyList<HypervisorConnection> all) => _all = all;

    /// <summary>Asks them. One that does not answer is told of, and tells nothing.</summary>
    /// <param name="registry">The runspace's connections.</param>
    /// <param name="applianceIds">Which appliances.</param>
    /// <param name="findVMIds">Gives the ids of the VMs that took the place of appliances' first ones.</param>
    /// <param name="onTrouble">Told of each that does not answer.</param>
    /// <param name="warn">Told of what stood in the way of listing VMs.</param>
    internal static async Task<HypervisorFacts> ReadAsync(SessionRegistry registry,
        IReadOnlyList<string> applianceIds, Func<IReadOnlyList<string>, Task<IReadOnlyList<string>>> findVMIds,
        Action<Exception, object?> onTrouble, Action<string> warn, CancellationToken cancellationToken)
    {
        IReadOnlyList<HypervisorConnection> all = registry.Hypervisors.All;
        var facts = new HypervisorFacts(all);
        var directory = new ApplianceDirectory(registry, onTrouble, warn);
        IReadOnlyList<ApplianceSelector> selectors = [.. applianceIds.Select(ApplianceSelector.Of)];
        foreach (HypervisorConnection hypervisor in all)
        {
            await TryAsync(hypervisor, onTrouble, async () =>
            {
                // A native protector is known by its storages; to describe its VMs costs a request for each.
                if (hypervisor.Hypervisor.Find<INativeProtection>() is null)
                    await FindAsync(hypervisor, selectors).ConfigureAwait(false);
            }, cancellationToken).ConfigureAwait(false);
            if (hypervisor.Hypervisor.Find<IReplication>() is IReplication replication)
                await TryAsync(hypervisor, onTrouble, async () => facts._replications.AddRange(
                    await replication.GetReplicationsAsync(null, cancellationToken).ConfigureAwait(false)),
                    cancellationToken).ConfigureAwait(false);
            if (hypervisor.Hypervisor.Find<INativeSchedules>() is INativeSchedules schedules)
                await TryAsync(hypervisor, onTrouble, async () => facts._schedules.AddRange(
                    (await schedules.GetSchedulesAsync(null, cancellationToken).ConfigureAwait(false))
                    .Select(s => s with { Hypervisor = hypervisor.Name })),
                    cancellationToken).ConfigureAwait(false);
        }
        // Also of those that are shown: the lost VM may be back.
        if (all.All(h => h.Hypervisor.Find<INativeProtection>() is not null)) return facts;
        IReadOnlyList<string> vmIds = await findVMIds(applianceIds).ConfigureAwait(false);
        if (vmIds.Count == 0) return facts;
        selectors = [.. vmIds.Select(ApplianceSelector.Of)];
        foreach (HypervisorConnection hypervisor in all.Where(h => h.Hypervisor.Find<INativeProtection>() is null))
            await TryAsync(hypervisor, onTrouble, () => FindAsync(hypervisor, selectors),
                cancellationToken).ConfigureAwait(false);
        return facts;

        async Task FindAsync(HypervisorConnection hypervisor, IReadOnlyList<ApplianceSelector> wanted)
        {
            foreach (LocatedAppliance shown in await directory.FindAsync([hypervisor], wanted, cancellationToken,
                StandingVMs.None).ConfigureAwait(false))
                if (!facts._shown.ContainsKey(shown.Description.ApplianceId))
                    facts._shown.Add(shown.Description.ApplianceId, shown);
        }
    }

    /// <summary>The hypervisor that an appliance runs on, and how it shows it.</summary>
    /// <param name="vmId">The id of the VM that stands for the appliance.</param>
    /// <param name="kind">The kind that its settings name; or null.</param>
    /// <param name="owner">The hypervisor whose storage holds its points; or null.</param>
    internal (HypervisorConnection? Hypervisor, ApplianceDescription? Shown) Find(string vmId, string? kind,
        HypervisorConnection? owner)
    {
        // Where it was restored on another kind, the old VM that is still shown is not the appliance.
        if (_shown.TryGetValue(vmId, out LocatedAppliance? shown))
            return kind is null || shown.Hypervisor.Session.Kind == kind
                ? (shown.Hypervisor, shown.Description)
                : (null, null);
        if (owner is not null) return (owner, null);
        List<HypervisorConnection> ofKind = [.. _all.Where(h => h.Session.Kind == kind
            && h.Hypervisor.Find<INativeProtection>() is not null)];
        return (ofKind.Count == 1 ? ofKind[0] : null, null);
    }

    internal IReadOnlyList<ReplicationState> ReplicationsOf(string vmId) =>
        [.. _replications.Where(r => r.ApplianceId == vmId)];

    /// <summary>The schedules that name the appliance and write to one of the storages.</summary>
    internal IReadOnlyList<NativeSchedule> SchedulesOf(string applianceName, IReadOnlyCollection<string?> storages) =>
        [.. _schedules.Where(s => s.Storage is not null && storages.Contains(s.Storage)
            && s.ApplianceNames.Contains(applianceName, StringComparer.Ordinal))];

    private static async Task TryAsync(HypervisorConnection hypervisor, Action<Exception, object?> onTrouble,
        Func<Task> ask, CancellationToken cancellationToken)
    {
        try
        {
            await ask().ConfigureAwait(false);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            onTrouble(e, hypervisor.Session);
        }
    }
}
