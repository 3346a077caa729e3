using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Operations.Appliances;

/// <summary>
/// Asks the connected hypervisors for their VMs and the connected repositories for their settings, each at most once
/// for a command. One that fails is reported and left out while another one answers, so that a dead server does not
/// hide the rest of the fleet.
/// </summary>
/// <param name="registry">The runspace's connections; remembers names for completion.</param>
/// <param name="report">Takes the failure of one of several.</param>
/// <param name="warn">Takes what stood in the way of listing single VMs.</param>
internal sealed class ApplianceDirectory(SessionRegistry registry, Action<Exception, object?> report,
    Action<string> warn)
{
    private readonly Dictionary<HypervisorConnection, IReadOnlyList<LocatedAppliance>> _appliances = [];
    private readonly Dictionary<HypervisorConnection, List<LocatedAppliance>> _found = [];
    private readonly Dictionary<RepositoryConnection, IReadOnlyList<Enrolment>> _enrolments = [];
    private readonly Dictionary<RepositoryConnection, IReadOnlyList<Enrolment>> _ended = [];
    private readonly ConcurrentDictionary<RepositoryConnection, Exception> _unread = new();
    private StandingVMs? _standing;

    /// <summary>
    /// The repositories that the command needs itself, and so waits for as long as it takes; null for all. Others are
    /// only asked which VMs stand for appliances, and not waited for when they are dead.
    /// </summary>
    internal IReadOnlyList<RepositoryConnection>? Needed { get; set; }

    /// <summary>
    /// The repositories that did not tell which VMs stand for appliances. What they told earlier does not count:
    /// another machine, or this session, may have said something else since.
    /// </summary>
    internal IReadOnlyList<RepositoryConnection> Unheard => [.. _unread.Keys];

    /// <summary>The VMs of all these hypervisors.</summary>
    internal async Task<IReadOnlyList<LocatedAppliance>> ListAsync(IReadOnlyList<HypervisorConnection> hypervisors,
        CancellationToken cancellationToken) =>
        Distinct(await CollectAsync(hypervisors, _appliances, c => c.Session, async connection =>
            Take(connection, await connection.Hypervisor.GetAppliancesAsync(cancellationToken).ConfigureAwait(false)),
            cancellationToken).ConfigureAwait(false));

    /// <summary>
    /// The VMs that any of the selectors means, and perhaps others. Where a hypervisor can describe single VMs, only
    /// those are described, each once for a command: describing all of a thousand costs a request each.
    /// </summary>
    /// <param name="hypervisors">Where to look.</param>
    /// <param name="selectors">Which VMs.</param>
    /// <param name="standing">
    /// Which VMs stand for appliances. Null asks all repositories of this product, and only for an id that no VM has by
    /// itself: that costs a look into each of their logs.
    /// </param>
    internal async Task<IReadOnlyList<LocatedAppliance>> FindAsync(IReadOnlyList<HypervisorConnection> hypervisors,
        IReadOnlyList<ApplianceSelector> selectors, CancellationToken cancellationToken, StandingVMs? standing = null)
    {
        if (standing is not null)
            return Annotate(await FindOwnAsync(hypervisors, WithStanding(selectors, standing),
                cancellationToken).ConfigureAwait(false), standing);
        IReadOnlyList<LocatedAppliance> found = await FindOwnAsync(hypervisors, selectors,
            cancellationToken).ConfigureAwait(false);
        // The VMs that took the place of an appliance whose id is asked for and that no VM has.
        List<ApplianceSelector> missed = [.. selectors.Where(s => s.IsId && !found.Any(a => a.Is(s.Text)))];
        if (missed.Count == 0) return found;
        standing = await StandingAsync(cancellationToken).ConfigureAwait(false);
        return WithStanding(missed, standing).Count == missed.Count
            ? found
            : Annotate(await FindOwnAsync(hypervisors, WithStanding(selectors, standing),
                cancellationToken).ConfigureAwait(false), standing);
    }

    /// <summary>
    /// Which VMs stand for appliances, as all connected repositories of this product say together; asked once for a
    /// command. One that does not answer is told of in a warning, and says nothing.
    /// </summary>
    internal async Task<StandingVMs> StandingAsync(CancellationToken cancellationToken) =>
        _standing ??= await StandingAsync(connection => IsNeeded(connection)
            ? ReadWordsAsync(connection, cancellationToken)
            : ReadWordsOfOtherAsync(connection, cancellationToken), cancellationToken).ConfigureAwait(false);

    private bool IsNeeded(RepositoryConnection connection) => Needed is not { } needed
        || needed.Any(n => n.Identity == connection.Identity && n.Location == connection.Location);

    private async Task<IReadOnlyList<Enrolment>> ReadWordsAsync(RepositoryConnection connection,
        CancellationToken cancellationToken)
    {
        IReadOnlyList<Enrolment> enrolled = await ListEnrolmentsAsync([connection],
            cancellationToken).ConfigureAwait(false);
        lock (_ended)
            return _ended.TryGetValue(connection, out IReadOnlyList<Enrolment>? ended)
                ? [.. enrolled, .. ended]
                : enrolled;
    }

    /// <summary>
    /// The same of a repository that the command does not need: one request must be answered soon, whatever the store
    /// would do to try again, and all of it in a time that a repository of a thousand appliances takes.
    /// </summary>
    /// <exception cref="NataliaException"><c>StoreUnavailable</c>.</exception>
    private async Task<IReadOnlyList<Enrolment>> ReadWordsOfOtherAsync(RepositoryConnection connection,
        CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task<IReadOnlyList<Enrolment>> words = Task.Run(() => ReadWordsAsync(connection, stop.Token),
            CancellationToken.None);
        Task sign = Task.Run(() => connection.Repository.LookAsync(stop.Token), CancellationToken.None);
        TimeSpan limit = registry.OthersLimit;
        bool isThere = await EndsAsync(Task.WhenAny(sign, words), limit).ConfigureAwait(false)
            && !sign.IsFaulted;
        if (isThere && await EndsAsync(words, limit = TimeSpan.FromTicks(limit.Ticks * 12)).ConfigureAwait(false))
            return await words.ConfigureAwait(false);
        stop.Cancel();
        // Nobody waits for what they still say.
        _ = Task.WhenAll(words, sign).ContinueWith(t => _ = t.Exception, CancellationToken.None,
            TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
        cancellationToken.ThrowIfCancellationRequested();
        if (sign.IsFaulted) await sign.ConfigureAwait(false);
        throw new NataliaException(ErrorIds.StoreUnavailable, NataliaErrorKind.Timeout,
            $"It did not answer within {limit.TotalSeconds:0.#} seconds.", connection.Name);

        async Task<bool> EndsAsync(Task task, TimeSpan time)
        {
            using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            bool hasEnded = await Task.WhenAny(task, Task.Delay(time, over.Token)).ConfigureAwait(false) == task;
            over.Cancel();
            return hasEnded;
        }
    }

    /// <summary>
    /// The same for a command that does something with VMs of some hypervisors: where all of them protect by
    /// themselves, a VM is known by its number, none takes another one's place, and nobody is asked.
    /// </summary>
    internal async Task<StandingVMs> StandingAsync(IReadOnlyList<HypervisorConnection> hypervisors,
        CancellationToken cancellationToken) =>
        hypervisors.All(h => h.Hypervisor.Find<INativeProtection>() is not null)
            ? StandingVMs.None
            : await StandingAsync(cancellationToken).ConfigureAwait(false);

    /// <summary>
    /// The same of one appliance alone: one log is looked into in each repository. Not for longer than
    /// <paramref name="limit"/>: a restore does not wait for a repository that it does not need.
    /// </summary>
    internal async Task<StandingVMs> StandingAsync(string applianceId, TimeSpan limit,
        CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        stop.CancelAfter(limit);
        return await StandingAsync(async connection =>
        {
            try
            {
                KnownEnrolments known = await connection.Repository.GetEnrolmentsAsync([applianceId],
                    stop.Token).ConfigureAwait(false);
                return [.. known.Enrolled.Select(s => new Enrolment(connection, s)),
                    .. known.Ended.Select(s => new Enrolment(connection, s) { IsEnded = true })];
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                throw new NataliaException(ErrorIds.StoreUnavailable, NataliaErrorKind.Timeout,
                    $"It did not answer within {limit.TotalSeconds:0} seconds.", connection.Name);
            }
        }, cancellationToken).ConfigureAwait(false);
    }

    private async Task<StandingVMs> StandingAsync(Func<RepositoryConnection, Task<IReadOnlyList<Enrolment>>> readAsync,
        CancellationToken cancellationToken)
    {
        (RepositoryConnection Connection, Task<IReadOnlyList<Enrolment>> Answer)[] asked =
            [.. registry.Repositories.Each.Where(r => r.IsOwn && !r.IsLimited)
                .Select(r => (r, Task.Run(() => readAsync(r))))];
        List<Enrolment> words = [];
        foreach ((RepositoryConnection connection, Task<IReadOnlyList<Enrolment>> answer) in asked)
        {
            try
            {
                words.AddRange(await answer.ConfigureAwait(false));
            }
            catch (NataliaException e) when (!cancellationToken.IsCancellationRequested)
            {
                _unread[connection] = e;
                warn($"Whether another VM took an appliance's place cannot be looked up in '{connection.Name}': "
                    + e.Message);
            }
        }
        cancellationToken.ThrowIfCancellationRequested();
        return new StandingVMs(words);
    }

    /// <summary>The selectors, and those of the VMs that stand for an appliance that one names by id.</summary>
    private static IReadOnlyList<ApplianceSelector> WithStanding(IReadOnlyList<ApplianceSelector> selectors,
        StandingVMs standing) =>
        [.. selectors, .. selectors.Where(s => s.IsId).Select(s => (s.Text, VMId: standing.Of(s.Text)?.Settings.VMId))
            .Where(s => s.VMId is not null && s.VMId != s.Text).Select(s => s.VMId!)
            .Distinct(StringComparer.Ordinal).Select(ApplianceSelector.Of)];

    private static IReadOnlyList<LocatedAppliance> Annotate(IReadOnlyList<LocatedAppliance> found,
        StandingVMs standing) =>
        [.. found.Select(a => a with
        {
            StandsFor = standing.AppliancesOf(a.Description.ApplianceId),
            IsReplaced = standing.ReplacementOf(a.Description.ApplianceId) is not null,
        })];

    private async Task<IReadOnlyList<LocatedAppliance>> FindOwnAsync(IReadOnlyList<HypervisorConnection> hypervisors,
        IReadOnlyList<ApplianceSelector> selectors, CancellationToken cancellationToken)
    {
        // A failure is reported once for a hypervisor, as in a list of everything; what was found is not the whole
        // list, and must not be taken for it.
        var found = new Dictionary<HypervisorConnection, IReadOnlyList<LocatedAppliance>>();
        foreach (HypervisorConnection connection in hypervisors)
            if (_appliances.TryGetValue(connection, out IReadOnlyList<LocatedAppliance>? all)) found[connection] = all;
        IReadOnlyList<LocatedAppliance> answer = await CollectAsync(hypervisors, found,
            c => c.Session, async connection =>
        {
            if (connection.Hypervisor.Find<IApplianceFinder>() is not IApplianceFinder finder)
                return Take(connection,
                    await connection.Hypervisor.GetAppliancesAsync(cancellationToken).ConfigureAwait(false));
            List<LocatedAppliance> known;
            lock (_found) known = _found.TryGetValue(connection, out List<LocatedAppliance>? before) ? [.. before] : [];
            var described = new HashSet<string>(known.Select(k => k.Description.ApplianceId), StringComparer.Ordinal);
            if (selectors.Count > 0 && selectors.All(s => s.IsId && described.Contains(s.Text))) return known;
            ApplianceInventory inventory =
                await finder.FindAppliancesAsync(
                    l => !described.Contains(l.ApplianceId) && selectors.Any(s => s.MayMean(l.ApplianceId, l.Name)),
                cancellationToken).ConfigureAwait(false);
            known.AddRange(Take(connection, inventory));
            lock (_found) _found[connection] = known;
            return known;
        }, cancellationToken).ConfigureAwait(false);
        foreach (HypervisorConnection connection in hypervisors)
            if (connection.Hypervisor.Find<IApplianceFinder>() is null || !HasAnswered(connection))
                _appliances[connection] = found[connection];
        return Distinct(answer);
    }

    /// <summary>VMs by the numbers that their hypervisor has for them. Those that are gone are left out.</summary>
    internal async Task<IReadOnlyList<ApplianceDescription>> FindByNativeIdAsync(HypervisorConnection hypervisor,
        IReadOnlyList<string> nativeIds, CancellationToken cancellationToken)
    {
        if (hypervisor.Hypervisor.Find<IApplianceFinder>() is IApplianceFinder finder)
            return [.. await finder.FindAppliancesAsync(l => nativeIds.Contains(l.NativeId),
                cancellationToken).ConfigureAwait(false)];
        return [.. (await ListAsync([hypervisor], cancellationToken).ConfigureAwait(false)).Select(a => a.Description)
            .Where(d => d.NativeId is not null && nativeIds.Contains(d.NativeId))];
    }

    /// <summary>The settings that these repositories keep.</summary>
    internal Task<IReadOnlyList<Enrolment>> ListEnrolmentsAsync(IReadOnlyList<RepositoryConnection> repositories,
        CancellationToken cancellationToken)
    {
        // What was known of a hypervisor's storage is known of the VMs that were described until then.
        foreach (RepositoryConnection native in repositories.Where(r => !r.IsOwn)) _enrolments.Remove(native);
        // The storages of one hypervisor are asked at the same time, and share what is asked of that for them.
        var shared = new ConcurrentDictionary<HypervisorConnection, Lazy<Task<IReadOnlyList<ApplianceDescription>>>>();
        return CollectAsync(repositories, _enrolments, c => c.Session, async connection =>
        {
            // A hypervisor's own storage keeps them with its VMs; those that are described already need not be asked
            // for again.
            IReadOnlyList<ApplianceDescription>? described = connection.Hypervisor is HypervisorConnection own
                ? await shared.GetOrAdd(own, h => new(() => DescribedAsync(h, cancellationToken))).Value
                    .ConfigureAwait(false)
                : null;
            IReadOnlyList<ApplianceSettings> settings;
            if (connection.IsOwn)
            {
                // One that did not answer is not waited for twice.
                if (_unread.TryGetValue(connection, out Exception? failure))
                    ExceptionDispatchInfo.Capture(failure).Throw();
                KnownEnrolments words = await connection.Repository.GetEnrolmentsAsync(null,
                    cancellationToken).ConfigureAwait(false);
                settings = words.Enrolled;
                lock (_ended)
                    _ended[connection] =
                        [.. words.Ended.Select(s => new Enrolment(connection, s) { IsEnded = true })];
            }
            else
            {
                RepositoryConnection? log = connection.Evidence is EvidenceReference evidence
                    ? registry.Find(evidence)
                    : null;
                settings = await EndedEnrolments.LeaveOutAsync(log, connection.Session.RepositoryId,
                    await connection.Points.GetApplianceSettingsAsync(described, cancellationToken)
                        .ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
            }
            foreach (ApplianceSettings one in settings)
                registry.Completion.RememberAppliance(one.Name,
                    $"{one.HypervisorKind}, enrolled in '{connection.Name}'");
            return [.. settings.Select(s => new Enrolment(connection, s))];
        }, cancellationToken);
    }

    private bool HasAnswered(HypervisorConnection connection)
    {
        lock (_found) return _found.ContainsKey(connection);
    }

    /// <summary>
    /// The VMs of a hypervisor that the command has asked for; all of them when it asked for none in particular.
    /// </summary>
    private async Task<IReadOnlyList<ApplianceDescription>> DescribedAsync(HypervisorConnection hypervisor,
        CancellationToken cancellationToken)
    {
        lock (_found)
        {
            if (_found.TryGetValue(hypervisor, out List<LocatedAppliance>? some))
                return [.. some.Select(a => a.Description)];
        }
        return [.. (await ListAsync([hypervisor], cancellationToken).ConfigureAwait(false)).Select(a => a.Description)];
    }

    private IReadOnlyList<LocatedAppliance> Take(HypervisorConnection connection, ApplianceInventory inventory)
    {
        foreach (NataliaException problem in inventory.Problems)
            warn($"{problem.Message} {problem.RecommendedAction}".TrimEnd());
        foreach (ApplianceDescription description in inventory) registry.Completion.Remember(description);
        return [.. inventory.Select(d => new LocatedAppliance(connection, d))];
    }

    /// <summary>Two sessions to one hypervisor show the same VM: the first one is as good as the other.</summary>
    private static IReadOnlyList<LocatedAppliance> Distinct(IEnumerable<LocatedAppliance> found) =>
        [.. found.GroupBy(a => a.Description.ApplianceId).Select(g => g.First())];

    /// <summary>The VMs that one selector means; an error when a plain name or id means none.</summary>
    /// <exception cref="NataliaException"><c>ApplianceNotFound</c>, <c>NamePatternInvalid</c>.</exception>
    internal static IReadOnlyList<LocatedAppliance> Select(IReadOnlyList<LocatedAppliance> appliances,
        ApplianceSelector selector)
    {
        IReadOnlyList<LocatedAppliance> found = Choose(appliances, selector);
        if (found.Count == 0 && selector.Miss(() => NotFound(selector.Text)) is NataliaException miss) throw miss;
        return found;
    }

    /// <summary>
    /// The one VM that a name or id means, or all that a wildcard means; an error when it means none, because then
    /// nothing would be done.
    /// </summary>
    /// <param name="appliances">The VMs.</param>
    /// <param name="selector">What was asked for.</param>
    /// <param name="meansVM">Whether an id means the VM that has it by itself, also where another one took its
    /// place.</param>
    /// <exception cref="NataliaException"><c>ApplianceNotFound</c>, <c>NamePatternInvalid</c>,
    /// <c>ApplianceAmbiguous</c>.</exception>
    internal static IReadOnlyList<LocatedAppliance> SelectForChange(IReadOnlyList<LocatedAppliance> appliances,
        ApplianceSelector selector, bool meansVM = false)
    {
        IReadOnlyList<LocatedAppliance> found = Choose(appliances, selector, meansVM);
        bool meansSeveral = selector.MeansSeveral(found.Select(a => a.Description.Name));
        // Two VMs of one name, of which one took the other one's place: the name means the one that stands for it.
        if (found.Count > 1 && !meansSeveral && found.Where(a => !a.IsReplaced).ToList() is { Count: 1 } standing)
            found = standing;
        if (found.Count == 0) throw selector.MissForChange(() => NotFound(selector.Text));
        if (found.Count == 1 || meansSeveral) return found;
        throw new NataliaException(ErrorIds.ApplianceAmbiguous, NataliaErrorKind.InvalidArgument,
            $"{found.Count} VMs are called '{selector.Text}': "
            + $"{string.Join(", ", found.Select(a => $"{a.Description.ApplianceId} on '{a.Hypervisor.Name}'"))}.",
            selector.Text, "Say the id of the one that is meant in place of the name.");
    }

    private static IReadOnlyList<LocatedAppliance> Choose(IReadOnlyList<LocatedAppliance> appliances,
        ApplianceSelector selector, bool meansVM = false)
    {
        if (meansVM && selector.IsId && appliances.Any(a => a.Description.ApplianceId == selector.Text))
            return [.. appliances.Where(a => a.Description.ApplianceId == selector.Text)];
        // The id of an appliance means the VM that stands for it, also where its first one is shown again.
        List<LocatedAppliance> standing = [.. appliances.Where(a => a.StandsFor.Contains(selector.Text))];
        return standing.Count > 0
            ? standing
            : selector.Choose(appliances, a => a.Description.ApplianceId, a => a.Description.Name);
    }

    /// <param name="text">What was asked for: a name, a wildcard or an id.</param>
    /// <param name="name">The name of the appliance with this id, where one is known.</param>
    internal static NataliaException NotFound(string text, string? name = null) =>
        new(ErrorIds.ApplianceNotFound, NataliaErrorKind.NotFound,
        $"No connected hypervisor shows an appliance {(name is null ? $"'{text}'" : $"'{name}' ({text})")}.", text,
        "Get-NataliaAppliance -Name * lists every VM; Get-NataliaHypervisor lists what is connected."
        + (name is null ? "" : " A VM that was restored takes the place of the lost one by Set-NataliaAppliance NAME "
            + $"-ApplianceId {text}."));

    /// <summary>Asks all of them at once. The cache may be another call's at the same time.</summary>
    private async Task<IReadOnlyList<TItem>> CollectAsync<TConnection, TItem>(IReadOnlyList<TConnection> connections,
        Dictionary<TConnection, IReadOnlyList<TItem>> cache,
        Func<TConnection, object> describe, Func<TConnection, Task<IReadOnlyList<TItem>>> askAsync,
        CancellationToken cancellationToken)
        where TConnection : class
    {
        (TConnection Connection, Task<IReadOnlyList<TItem>> Answer)[] asked = [.. connections
            .Select(c =>
                (c, Known(c) is IReadOnlyList<TItem> known
                    ? Task.FromResult(known)
                    : Task.Run(() => askAsync(c))))];
        List<TItem> all = [];
        List<(TConnection Connection, Exception Exception)> failures = [];
        foreach ((TConnection connection, Task<IReadOnlyList<TItem>> answer) in asked)
        {
            try
            {
                IReadOnlyList<TItem> items = await answer.ConfigureAwait(false);
                Remember(connection, items);
                all.AddRange(items);
            }
            catch (Exception e)
            {
                failures.Add((connection, e));
            }
        }
        cancellationToken.ThrowIfCancellationRequested();
        if (failures.Count > 0 && failures.Count == connections.Count)
            ExceptionDispatchInfo.Capture(failures[0].Exception).Throw();
        foreach ((TConnection connection, Exception exception) in failures)
        {
            report(exception, describe(connection));
            Remember(connection, []);
        }
        return all;

        IReadOnlyList<TItem>? Known(TConnection connection)
        {
            lock (cache) return cache.TryGetValue(connection, out IReadOnlyList<TItem>? known) ? known : null;
        }

        void Remember(TConnection connection, IReadOnlyList<TItem> items)
        {
            lock (cache) cache[connection] = items;
        }
    }
}
