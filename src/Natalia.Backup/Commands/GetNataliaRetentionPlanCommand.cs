using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Immutability;
using Natalia.Backup.Engine.Retention;
using Natalia.Backup.Errors;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Appliances;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Retention;
using Natalia.Backup.Pipeline;

namespace Natalia.Backup.Commands;

/// <summary>Shows which restore points a retention policy keeps and removes, and why.</summary>
/// <remarks>
/// <para>It changes nothing. Every restore point is one row, newest first, with what happens to it (Keep, Remove,
/// Protected, Locked), the rule that decided, and why.</para>
/// <para>Restore points that are piped in are planned by the rules that are given; without any rule everything is kept.
/// Any objects with a property TimeUtc will do, so that a policy can be tried on paper. They may also have IsProtected,
/// ImmutableUntilUtc, ApplianceId and RestorePointId. Points of different appliances never compete.</para>
/// <para>Without piped points the plan is that of the stored policies for what the connected repositories hold. Rules
/// that are given then replace the stored ones, which shows what another policy would do; the stored time zone stays
/// unless -TimeZone replaces it.</para>
/// <para>about_NataliaRetention explains the rules.</para>
/// </remarks>
/// <example>
/// <code>Get-NataliaRetentionPlan -Appliance natalia-paris</code>
/// <para>Shows what the next Invoke-NataliaRetention would do.</para>
/// </example>
/// <example>
/// <code>Get-NataliaRetentionPlan -Appliance natalia-paris -Daily 14 -Weekly 8 -Monthly 12 | Where-Object Action -eq Remove</code>
/// <para>Shows what another policy would remove, without setting it.</para>
/// </example>
/// <example>
/// <code>1..400 | ForEach-Object { [pscustomobject]@{ TimeUtc = [DateTime]::UtcNow.AddHours(-6 * $_) } } | Get-NataliaRetentionPlan -Daily 7 -Weekly 4 -Monthly 3 -TimeZone Europe/Paris | Where-Object Action -eq Keep</code>
/// <para>Tries a policy on paper: what is left of a hundred days of backups every six hours.</para>
/// </example>
[Cmdlet(VerbsCommon.Get, "NataliaRetentionPlan", DefaultParameterSetName = StoredSet)]
[OutputType(typeof(RetentionPlanRow))]
public sealed class GetNataliaRetentionPlanCommand : RetentionRulesCommand
{
    private const string StoredSet = "Stored";
    private const string InputSet = "Input";

    private readonly List<RetentionPoint> _points = [];
    private readonly List<string> _pipedAppliances = [];
    private readonly List<string> _pipedRepositories = [];
    private RetentionRules? _rules;

    /// <summary>
    /// Restore points, or any objects with a property TimeUtc; as text, a time begins with the year (yyyy-MM-dd).
    /// Appliances that are piped in stand for what the repositories hold of them, and a repository's session for all
    /// that it holds.
    /// </summary>
    [Parameter(Mandatory = true, ParameterSetName = InputSet, ValueFromPipeline = true)]
    [ValidateNotNull]
    public PSObject? InputObject { get; set; }

    /// <summary>
    /// The appliance: an object of Get-NataliaAppliance, its name, or a wildcard. Left out, every appliance of the
    /// repositories is planned.
    /// </summary>
    [Parameter(Position = 0, ParameterSetName = StoredSet)]
    [Alias("VMName", "ApplianceName")]
    [ApplianceReference]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(ApplianceCompleter))]
    public string[]? Appliance { get; set; }

    /// <summary>
    /// The repository: the session that Connect-NataliaRepository returned, or its name. Left out, every connected
    /// repository is read.
    /// </summary>
    [Parameter]
    [RepositoryReference]
    [ArgumentCompleter(typeof(RepositoryCompleter))]
    public string[]? Repository { get; set; }

    private protected override Task BeginAsync(CancellationToken cancellationToken)
    {
        _rules = GivenRules();
        return IsSaid(nameof(Repository)) && References.Clean(Repository) is not { Count: > 0 }
            ? throw References.NoRepositoryNamed()
            : Task.CompletedTask;
    }

    private protected override bool TryCollect()
    {
        if (ParameterSetName != InputSet || InputObject is not PSObject input) return false;
        try
        {
            if (RepositoryOf(input) is string repository) _pipedRepositories.Add(repository);
            else if (!RetentionInput.IsPoint(input)
                && input.Properties[nameof(RetentionPoint.ApplianceId)]?.Value?.ToString()
                    is { Length: > 0 } applianceId)
                _pipedAppliances.Add(applianceId);
            else if (!RetentionInput.IsReadable(input))
                WriteWarning(
                    $"The restore point {input} cannot be read: the plan does not count it, and no policy removes it.");
            else _points.Add(RetentionInput.Read(input));
        }
        catch (NataliaException e)
        {
            WriteError(ErrorRecordFactory.Create(e, input));
        }
        return true;
    }

    private protected override Task ProcessAsync(CancellationToken cancellationToken)
    {
        // A plan's rows may be piped into a removal.
        if (IsBound(nameof(Appliance)) && References.Clean(Appliance) is not { Count: > 0 })
            throw References.NoApplianceNamed();
        return PlanStoredAsync(Appliance, cancellationToken);
    }

    private protected override async Task EndAsync(CancellationToken cancellationToken)
    {
        if (_points.Count > 0) EmitAll(RetentionPlanner.Plan(_points, _rules!.ToPolicy(), DateTime.UtcNow));
        if (_pipedAppliances.Count > 0)
            await PlanStoredAsync(_pipedAppliances, cancellationToken).ConfigureAwait(false);
        if (_pipedRepositories.Count > 0)
            await PlanStoredAsync(null, cancellationToken, _pipedRepositories).ConfigureAwait(false);
    }

    /// <summary>The id of a repository session that is piped in; null for anything else.</summary>
    private static string? RepositoryOf(PSObject input) =>
        input.Properties[nameof(RepositorySession.StoreKind)] is not null
            ? input.Properties[nameof(RepositorySession.RepositoryId)]?.Value?.ToString()
            : null;

    private async Task PlanStoredAsync(IEnumerable<string>? appliances, CancellationToken cancellationToken,
        IReadOnlyList<string>? inRepositories = null)
    {
        IReadOnlyList<RepositoryConnection> repositories = Registry.RepositoriesWithPoints(inRepositories
            ?? References.Clean(Repository),
            null);
        if (inRepositories is null && References.Clean(Repository) is not { Count: > 0 })
            DeferAway(Registry.Repositories);
        IReadOnlyList<ApplianceSelector> selectors = Wildcards.Selectors(appliances);
        List<RepositoryRetention> retentions = [];
        foreach (RepositoryConnection repository in repositories)
        {
            try
            {
                RepositoryRetention retention = await RepositoryRetention.ReadAsync(repository,
                    damage => EmitWarning(damage.Message), cancellationToken).ConfigureAwait(false);
                retention.RequireTimeZone(_rules!.TimeZone);
                retentions.Add(retention);
            }
            catch (Exception e) when (repositories.Count > 1 && !cancellationToken.IsCancellationRequested)
            {
                DeferError(e, repository.Session);
            }
        }
        ILookup<RepositoryConnection, RetentionSubject> chosen = RepositoryRetention.Select(selectors,
            retentions, missing =>
        {
            if (missing.Miss(() => RepositoryRetention.NotFound(missing, repositories)) is NataliaException miss)
                EmitError(miss);
        }).ToLookup(s => s.Repository);
        foreach (RepositoryRetention retention in retentions)
        {
            try
            {
                foreach (RetentionSubject subject in chosen[retention.Repository])
                    await PlanAsync(subject, retention.FixedTimeZone, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception e) when (repositories.Count > 1 && !cancellationToken.IsCancellationRequested)
            {
                DeferError(e, retention.Repository.Session);
            }
        }
    }

    private async Task PlanAsync(RetentionSubject subject, string? fixedTimeZone, CancellationToken cancellationToken)
    {
        RetentionPolicy policy = _rules!.AnyRule
            ? _rules.ToPolicy(fixedTimeZone ?? subject.Stored?.Policy.TimeZoneId)
            : _rules.Over(subject.Stored?.Policy ?? new RetentionPolicy
            {
                TimeZoneId = fixedTimeZone ?? RetentionPolicy.DefaultTimeZoneId,
            });
        if (!_rules.AnyRule && subject.Stored?.Damage is string damage)
            EmitWarning($"The retention policy of '{subject.Name}' in repository '{subject.Repository.Name}' cannot "
                + $"be read, so every point is kept: {damage} Set-NataliaRetention sets it again.");
        if (!_rules.AnyRule && subject.Stored is null && subject.Points.Count > 0)
            EmitWarning($"No retention policy is set for '{subject.Name}' in repository '{subject.Repository.Name}': "
                + "every point is kept. Set-NataliaRetention sets one.");
        IReadOnlyList<RetentionPlanRow> plan = RetentionPlanner.Plan(subject.RetentionPoints, policy, DateTime.UtcNow);
        if (subject.Points.Count > 0
            && LockEffectText.Compute(subject.Repository, [subject], policy, DateTime.UtcNow) is LockEffect effect)
        {
            EmitVerbose($"'{subject.Name}' in repository '{subject.Repository.Name}': {LockEffectText.All(effect)}");
            plan = effect.Mark(plan);
        }
        EmitAll(plan);
        if (subject.Repository.Native is INativeRepository native && plan.Count > 0 && !policy.KeepsEverything)
            await CompareAsync(native, subject, policy, plan, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// A storage that prunes by itself is asked what it would do; where it disagrees, a person must know.
    /// </summary>
    private async Task CompareAsync(INativeRepository native, RetentionSubject subject, RetentionPolicy policy,
        IReadOnlyList<RetentionPlanRow> plan, CancellationToken cancellationToken)
    {
        var limits = new RetentionLimits(policy.Last ?? 0, policy.Hourly ?? 0, policy.Daily ?? 0, policy.Weekly ?? 0,
            policy.Monthly ?? 0, policy.Yearly ?? 0);
        Dictionary<string, NativePruneMark> server = (await native.PlanPruneAsync(subject.ApplianceId, limits,
            cancellationToken).ConfigureAwait(false)).ToDictionary(r => r.RestorePointId,
            r => r.Mark, StringComparer.Ordinal);
        // A renamed file may be left out of the storage's answer altogether, and stays either way.
        var renamed = new HashSet<string>(subject.Points.Where(p => p.IsRenamed).Select(p => p.RestorePointId),
            StringComparer.Ordinal);
        foreach (RetentionPlanRow row in plan.Where(r => !renamed.Contains(r.RestorePointId!)))
        {
            bool known = server.TryGetValue(row.RestorePointId!, out NativePruneMark mark);
            if (known && (mark == NativePruneMark.Remove) == (row.Action == RetentionAction.Remove)) continue;
            EmitWarning($"The storage '{native.Storage}' and this plan disagree about the point of {row.LocalTime} "
                + $"({row.TimeZoneId}) of '{subject.Name}': the storage says {(known ? mark.ToString() : "nothing")}, "
                + $"the plan {row.Action}. {row.Reason}");
        }
    }
}
