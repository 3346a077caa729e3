using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Operations.Appliances;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Evidence;

namespace Natalia.Backup.Commands;

/// <summary>Lists what was done to repositories: who, when and why; newest first.</summary>
/// <remarks>
/// <para>Every restore point that is made or removed, every change of protection, retention policy, settings and
/// passwords, and every space that is given back leaves a signed record. No password is needed to read them: -AuditOnly
/// connects without one.</para>
/// <para>A storage of a Proxmox VE cluster keeps no log; what this product does there is recorded in the repository
/// that it was connected with as -EvidenceRepository, as events that begin with native-. What the cluster does alone
/// (scheduled backups, and their pruning) is not among it.</para>
/// <para>Times are those of the clock of the machine that wrote the record. A record that is damaged or not signed by
/// the repository's key is left out with an error of its own; Test-NataliaAudit tells what was done to the log.</para>
/// <para>To be able to prove later that nothing was cut off, keep what -Latest lists somewhere else, and give it to
/// Test-NataliaAudit as -ExpectedHead.</para>
/// </remarks>
/// <example>
/// <code>Get-NataliaAuditRecord -Event point-removed -After (Get-Date).AddDays(-30)</code>
/// <para>Lists which restore points were removed in the last month, by whom and why.</para>
/// </example>
/// <example>
/// <code>Get-NataliaRestorePoint -Appliance natalia-paris -Latest | Get-NataliaAuditRecord | Format-List</code>
/// <para>Shows the history of one restore point.</para>
/// </example>
/// <example>
/// <code>Get-NataliaAuditRecord -Latest | Export-Csv -Path X:\heads.csv</code>
/// <para>Notes where every log ends today, for a later Test-NataliaAudit -ExpectedHead.</para>
/// </example>
/// <example>
/// <code>Connect-NataliaRepository -Path \\nas\backup\natalia -AuditOnly
/// Get-NataliaAuditRecord | Select-Object TimeUtc, Event, ApplianceName, Actor, Reason, RecordHash | Export-Csv -Path audit.csv</code>
/// <para>Writes the whole log into a file for an auditor, without knowing the password.</para>
/// </example>
[Cmdlet(VerbsCommon.Get, "NataliaAuditRecord")]
[OutputType(typeof(AuditRecord))]
public sealed class GetNataliaAuditRecordCommand : RepositoryReaderCommand
{
    private readonly List<AuditRecord> _found = [];
    private readonly HashSet<(string?, string)> _seen = [];
    private readonly HashSet<(string?, string)> _followed = [];
    private readonly Dictionary<(RepositoryConnection, string?), IReadOnlyList<AuditRecord>> _read = [];
    private readonly Dictionary<RepositoryConnection, IReadOnlyList<KnownAppliance>> _appliances = [];

    /// <summary>
    /// The appliance: an object of Get-NataliaAppliance, its name in the repository, or a wildcard. Left out, or
    /// with *, all logs are read, the repository's own among them.
    /// </summary>
    [Parameter(Position = 0)]
    [Alias("VMName", "ApplianceName")]
    [ApplianceReference]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(ApplianceCompleter))]
    public string[]? Appliance { get; set; }

    /// <summary>The appliance's id. Bound from appliances and restore points that are piped in.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(ApplianceIdCompleter))]
    public string? ApplianceId { get; set; }

    /// <summary>
    /// Only records of this restore point: its whole id. Bound from restore points that are piped in. With -Latest, a
    /// log whose newest record is of something else brings nothing.
    /// </summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [RestorePointReference]
    [ArgumentCompleter(typeof(RestorePointCompleter))]
    public string? RestorePointId { get; set; }

    /// <summary>
    /// Only records of these events. With -Latest, a log whose newest record is of another event brings nothing.
    /// </summary>
    [Parameter]
    [ValidateSet("point-made", "point-copied", "point-removed", "point-verified", "point-protected",
        "point-unprotected", "point-restored", "restore-tested", "appliance-set", "enrolment-ended", "retention-set",
        "space-reclaimed", "damage-found", "damage-healed", "repaired", "locks-extended", "repository-created",
        "storage-set", "immutability-set", "key-added", "key-removed", "native-point-made", "native-point-removed",
        "native-point-protected", "native-point-unprotected", "native-point-outcome-unknown", "native-point-verified",
        "native-point-restored", "native-restore-tested", "native-appliance-set", "native-enrolment-ended",
        "native-retention-set", "native-schedule-set", "native-schedule-removed")]
    public string[]? Event { get; set; }

    /// <summary>
    /// Only the newest record of each log: one for each appliance, and one for the repository itself. Where two
    /// machines wrote at the same moment, a log has more than one until the next record.
    /// </summary>
    [Parameter]
    public SwitchParameter Latest { get; set; }

    /// <summary>Only records of this time or later. A time without a zone is local time.</summary>
    [Parameter]
    public DateTime? After { get; set; }

    /// <summary>Only records of this time or earlier. A time without a zone is local time.</summary>
    [Parameter]
    public DateTime? Before { get; set; }

    private protected override async Task ProcessAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<string>? named = References.Clean(Repository);
        IReadOnlyList<RepositoryConnection> repositories = Registry.Repositories.ForReading(named is { Count: > 0 }
            ? named
            : string.IsNullOrEmpty(RepositoryId) ? null : [RepositoryId!]);
        // A hypervisor's own storage keeps no log, but another repository may keep its evidence. Named, one without
        // evidence says so itself.
        bool isNamed = named is { Count: > 0 } || !string.IsNullOrEmpty(RepositoryId);
        if (!isNamed && repositories.Any(r => r.IsOwn)) repositories = [.. repositories.Where(r => r.IsOwn)];
        if (!isNamed) DeferAway(Registry.Repositories);
        // Everything is everything: the repository's own log belongs to it.
        bool isAll = Appliance?.Contains("*") == true && string.IsNullOrEmpty(ApplianceId);
        IReadOnlyList<ApplianceSelector> selectors = isAll
            ? []
            : Wildcards.Selectors((Appliance ?? []).Append(ApplianceId ?? ""));
        List<(RepositoryConnection Log, string? About, KnownAppliance Appliance)> known = [];
        foreach (RepositoryConnection repository in repositories)
        {
            try
            {
                RepositoryConnection log = EvidenceBook.LogOf(Registry, repository);
                string? about = repository.IsOwn ? null : repository.Identity;
                if (selectors.Count == 0)
                    Take(await ReadAsync(log, null, cancellationToken).ConfigureAwait(false), about);
                else known.AddRange((await ReadAppliancesAsync(log, cancellationToken).ConfigureAwait(false))
                    .Select(a => (log, about, a)));
            }
            catch (Exception e) when (repositories.Count > 1 && !cancellationToken.IsCancellationRequested)
            {
                DeferError(e, repository.Session);
            }
        }
        foreach (ApplianceSelector selector in selectors)
        {
            IReadOnlyList<(RepositoryConnection Log, string? About, KnownAppliance Appliance)> meant =
                selector.Choose(known,
                k => k.Appliance.ApplianceId, k => k.Appliance.Name ?? k.Appliance.ApplianceId);
            if (meant.Count == 0 && !selector.IsId
                && selector.Miss(() => new NataliaException(ErrorIds.ApplianceNotFound, NataliaErrorKind.NotFound,
                    $"There is no record of an appliance '{selector.Text}' in "
                    + $"{string.Join(", ", repositories.Select(r => $"'{r.Name}'"))}.",
                    selector.Text)) is NataliaException miss)
                EmitError(miss);
            foreach ((RepositoryConnection log, string? about, KnownAppliance appliance) in meant)
            {
                try
                {
                    Take(await ReadAsync(log, appliance.ApplianceId, cancellationToken).ConfigureAwait(false), about);
                }
                catch (Exception e) when (repositories.Count > 1 && !cancellationToken.IsCancellationRequested)
                {
                    DeferError(e, log.Session);
                }
            }
        }
    }

    private protected override Task EndAsync(CancellationToken cancellationToken)
    {
        foreach (AuditRecord record in _found.Where(r => !_followed.Contains((r.RepositoryId, r.RecordHash))
            && (Event is null || Event.Contains(r.Event, StringComparer.OrdinalIgnoreCase)))
            .OrderByDescending(r => r.TimeUtc).ThenByDescending(r => r.Number))
            Emit(record);
        return Task.CompletedTask;
    }

    private async Task<IReadOnlyList<KnownAppliance>> ReadAppliancesAsync(RepositoryConnection repository,
        CancellationToken cancellationToken)
    {
        if (!_appliances.TryGetValue(repository, out IReadOnlyList<KnownAppliance>? appliances))
            _appliances[repository] =
                appliances = await repository.Repository.GetAppliancesAsync(cancellationToken).ConfigureAwait(false);
        return appliances;
    }

    /// <summary>Reads each log at most once for a command, so that a thousand piped points cost one reading.</summary>
    private async Task<IReadOnlyList<AuditRecord>> ReadAsync(RepositoryConnection repository, string? applianceId,
        CancellationToken cancellationToken)
    {
        if (_read.TryGetValue((repository, applianceId), out IReadOnlyList<AuditRecord>? known)) return known;
        var filter = new AuditRecordFilter
        {
            ApplianceIds = applianceId is null ? null : [applianceId],
            // The newest of a log can be told among all of its records only.
            Events = Latest || Event is null ? null : [.. Event.Select(e => e.ToLowerInvariant())],
            AfterUtc = After?.ToUniversalTime(),
            BeforeUtc = Before?.ToUniversalTime(),
        };
        return _read[(repository, applianceId)] = await repository.Repository.GetAuditRecordsAsync(filter,
            damage => DeferError(damage), cancellationToken).ConfigureAwait(false);
    }

    /// <param name="records">Records of one log, or of all of a repository.</param>
    /// <param name="about">The id of the repository that they are to be evidence about; null takes all.</param>
    private void Take(IReadOnlyList<AuditRecord> records, string? about)
    {
        // A head is what no later record of its log names, whatever that is about: the end of a log is its own.
        if (Latest)
        {
            about = null;
            _followed.UnionWith(records.SelectMany(r => r.Heads.Select(h => (r.RepositoryId, h))));
        }
        _found.AddRange(records.Where(r => (about is null || r.NativeRepositoryId == about)
            && (string.IsNullOrEmpty(RestorePointId)
                || string.Equals(r.RestorePointId, RestorePointId, StringComparison.OrdinalIgnoreCase))
            && _seen.Add((r.RepositoryId, r.RecordHash))));
    }
}
