using System.Runtime.ExceptionServices;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors;
using Natalia.Backup.Sessions;

namespace Natalia.Backup.Appliances;

/// <summary>
/// Asks the connected hypervisors for their VMs and the connected repositories for their settings, each at most once for a command.
/// One that fails is reported and left out while another one answers, so that a dead server does not hide the rest of the fleet.
/// </summary>
/// <param name="registry">The runspace's connections; remembers names for completion.</param>
/// <param name="report">Takes the failure of one of several.</param>
/// <param name="warn">Takes what stood in the way of listing single VMs.</param>
internal sealed class ApplianceDirectory(SessionRegistry registry, Action<Exception, object?> report, Action<string> warn)
{
    private readonly Dictionary<HypervisorConnection, IReadOnlyList<LocatedAppliance>> _appliances = [];
    private readonly Dictionary<RepositoryConnection, IReadOnlyList<Enrolment>> _enrolments = [];

    /// <summary>The VMs of all these hypervisors.</summary>
    internal async Task<IReadOnlyList<LocatedAppliance>> ListAsync(IReadOnlyList<HypervisorConnection> hypervisors, CancellationToken cancellationToken)
    {
        IReadOnlyList<LocatedAppliance> found = await CollectAsync(hypervisors, _appliances, c => c.Session, async connection =>
        {
            ApplianceInventory inventory = await connection.Hypervisor.GetAppliancesAsync(cancellationToken).ConfigureAwait(false);
            foreach (NataliaException problem in inventory.Problems) warn($"{problem.Message} {problem.RecommendedAction}".TrimEnd());
            return [.. inventory.Select(d => new LocatedAppliance(connection, d))];
        }, cancellationToken).ConfigureAwait(false);
        foreach (LocatedAppliance appliance in found) registry.Completion.Remember(appliance.Description);
        // Two sessions to one hypervisor show the same VM: the first one is as good as the other.
        return [.. found.GroupBy(a => a.Description.ApplianceId).Select(g => g.First())];
    }

    /// <summary>The settings that these repositories keep.</summary>
    internal Task<IReadOnlyList<Enrolment>> ListEnrolmentsAsync(IReadOnlyList<RepositoryConnection> repositories, CancellationToken cancellationToken) =>
        CollectAsync(repositories, _enrolments, c => c.Session, async connection =>
        {
            IReadOnlyList<ApplianceSettings> settings = await connection.GetApplianceSettingsAsync(cancellationToken).ConfigureAwait(false);
            foreach (ApplianceSettings one in settings) registry.Completion.RememberAppliance(one.Name, $"{one.HypervisorKind}, enrolled in '{connection.Name}'");
            return [.. settings.Select(s => new Enrolment(connection, s))];
        }, cancellationToken);

    /// <summary>The VMs that one selector means; an error when a plain name or id means none.</summary>
    /// <exception cref="NataliaException"><c>ApplianceNotFound</c>.</exception>
    internal static IReadOnlyList<LocatedAppliance> Select(IReadOnlyList<LocatedAppliance> appliances, ApplianceSelector selector)
    {
        List<LocatedAppliance> found = [.. appliances.Where(a => selector.Matches(a.Description.ApplianceId, a.Description.Name))];
        return found.Count > 0 || selector.HasWildcards ? found : throw NotFound(selector.Text);
    }

    /// <summary>The one VM that a selector without wildcards means, or all that one with wildcards means.</summary>
    /// <exception cref="NataliaException"><c>ApplianceNotFound</c>, <c>ApplianceAmbiguous</c>.</exception>
    internal static IReadOnlyList<LocatedAppliance> SelectForChange(IReadOnlyList<LocatedAppliance> appliances, ApplianceSelector selector)
    {
        IReadOnlyList<LocatedAppliance> found = Select(appliances, selector);
        if (found.Count <= 1 || selector.HasWildcards) return found;
        throw new NataliaException(ErrorIds.ApplianceAmbiguous, NataliaErrorKind.InvalidArgument,
            $"{found.Count} VMs are called '{selector.Text}': {string.Join(", ", found.Select(a => $"{a.Description.ApplianceId} on '{a.Hypervisor.Name}'"))}.", selector.Text, "Name the one with -ApplianceId.");
    }

    internal static NataliaException NotFound(string text) => new(ErrorIds.ApplianceNotFound, NataliaErrorKind.NotFound, $"No connected hypervisor shows an appliance '{text}'.", text,
        "Get-NataliaAppliance -Name * lists every VM; Get-NataliaHypervisor lists what is connected.");

    private async Task<IReadOnlyList<TItem>> CollectAsync<TConnection, TItem>(IReadOnlyList<TConnection> connections, Dictionary<TConnection, IReadOnlyList<TItem>> cache,
        Func<TConnection, object> describe, Func<TConnection, Task<IReadOnlyList<TItem>>> askAsync, CancellationToken cancellationToken) where TConnection : class
    {
        (TConnection Connection, Task<IReadOnlyList<TItem>> Answer)[] asked = [.. connections.Select(c => (c, cache.TryGetValue(c, out IReadOnlyList<TItem>? known) ? Task.FromResult(known) : Task.Run(() => askAsync(c))))];
        List<TItem> all = [];
        List<(TConnection Connection, Exception Exception)> failures = [];
        foreach ((TConnection connection, Task<IReadOnlyList<TItem>> answer) in asked)
        {
            try
            {
                IReadOnlyList<TItem> items = await answer.ConfigureAwait(false);
                cache[connection] = items;
                all.AddRange(items);
            }
            catch (Exception e)
            {
                failures.Add((connection, e));
            }
        }
        cancellationToken.ThrowIfCancellationRequested();
        if (failures.Count > 0 && failures.Count == connections.Count) ExceptionDispatchInfo.Capture(failures[0].Exception).Throw();
        foreach ((TConnection connection, Exception exception) in failures)
        {
            report(exception, describe(connection));
            cache[connection] = [];
        }
        return all;
    }
}
