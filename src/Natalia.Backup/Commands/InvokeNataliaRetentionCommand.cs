using System.Globalization;
using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Immutability;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Retention;
using Natalia.Backup.Operations.Appliances;
using Natalia.Backup.Operations.Backup;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Retention;
using Natalia.Backup.Pipeline;

namespace Natalia.Backup.Commands;

/// <summary>Removes the restore points that the stored retention policy does not keep.</summary>
/// <remarks>
/// <para>It returns the plan's row of each point that it removed, with the reason. Never removed are the newest good
/// point of an appliance, protected points, locked ones, and points that a running restore reads. The reason of every
/// removal goes into the audit log. The space comes back when the repository is optimized.</para>
/// <para>It never asks, so that it can be scheduled: the policy was confirmed when it was set. -WhatIf shows what would
/// go and writes nothing at all; Get-NataliaRetentionPlan shows that as objects, with what stays.</para>
/// <para>A policy always looks at all restore points that the repository holds of an appliance. A restore point that is
/// piped in stands for its appliance, as the result of Invoke-NataliaBackup does: other points than those piped in may
/// be removed, and which ones were piped in makes no difference. Remove-NataliaRestorePoint removes single
/// points.</para>
/// <para>An appliance for which no policy is set is the error RetentionPolicyMissing, and none of its points is
/// removed. What fails for one appliance or one point is an error of its own, written when the others are done.</para>
/// </remarks>
/// <example>
/// <code>$ErrorActionPreference = 'Stop'
/// $null = Import-NataliaProfile C:\ProgramData\natalia.json
/// Get-NataliaAppliance | Invoke-NataliaRetention</code>
/// <para>The scheduled clean-up: every enrolled appliance by its policy. The script ends with an error when one of them
/// failed, after the last one.</para>
/// </example>
/// <example>
/// <code>Invoke-NataliaRetention -Appliance natalia-paris -WhatIf</code>
/// <para>Shows which points would go, and why.</para>
/// </example>
[Cmdlet(VerbsLifecycle.Invoke, "NataliaRetention", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(RetentionPlanRow))]
public sealed class InvokeNataliaRetentionCommand : NataliaCommand
{
    private readonly RetentionCache _cache;
    private readonly HashSet<(string, string)> _done = [];

    /// <summary>Makes the command.</summary>
    public InvokeNataliaRetentionCommand() => _cache = new RetentionCache(damage => EmitWarning(damage.Message));

    /// <summary>
    /// The appliance: an object of Get-NataliaAppliance, its name, or a wildcard. Left out, every appliance of the
    /// repository is taken.
    /// </summary>
    [Parameter(Position = 0)]
    [Alias("VMName", "ApplianceName")]
    [ApplianceReference]
    [SupportsWildcards]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(ApplianceCompleter))]
    public string[]? Appliance { get; set; }

    /// <summary>
    /// What is piped in: appliances, their names, VMs of the hypervisor's own module, rows with a VMName or Name,
    /// restore points or sessions of repositories. What names no appliance is refused, and so are rows of a plan,
    /// results of checks and audit records, though they carry the ids of appliances.
    /// </summary>
    [Parameter(ValueFromPipeline = true)]
    [ValidateNotNull]
    public PSObject? InputObject { get; set; }

    /// <summary>
    /// The appliance's id. Bound from appliances that are piped in, and from restore points, of which each stands for
    /// all points of its appliance.
    /// </summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(ApplianceIdCompleter))]
    public string[]? ApplianceId { get; set; }

    /// <summary>
    /// The repository: the session that Connect-NataliaRepository returned, or its name. Bound from an appliance that
    /// is piped in and is enrolled, and from a session that is piped in. Left out, the only connected repository is
    /// taken; when several are connected, that is the error RepositoryAmbiguous.
    /// </summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [Alias("RepositoryId")]
    [RepositoryReference]
    [ArgumentCompleter(typeof(RepositoryCompleter))]
    public string? Repository { get; set; }

    private bool _namesRepository;

    private protected override Task BeginAsync(CancellationToken cancellationToken)
    {
        _namesRepository = IsBound(nameof(Repository));
        return Task.CompletedTask;
    }

    private protected override Task EndAsync(CancellationToken cancellationToken)
    {
        if (!_namesRepository) DeferAway(Registry.Repositories);
        return Task.CompletedTask;
    }

    private protected override string MissedWithoutInput => "no retention policy was applied";

    private protected override async Task ProcessAsync(CancellationToken cancellationToken)
    {
        PipedReport.RequireAppliance(InputObject);
        IEnumerable<string> named = Appliance is null && ApplianceId is null
            ? PipedAppliances.NamesOf(InputObject)
            : (Appliance ?? []).Concat(ApplianceId ?? []);
        RepositoryConnection repository = Registry.Repositories.ForWriting(Repository);
        IReadOnlyList<ApplianceSelector> selectors = Wildcards.Selectors(named);
        RepositoryRetention retention = await _cache.ReadAsync(repository, cancellationToken).ConfigureAwait(false);
        IReadOnlyList<RetentionSubject> subjects = RepositoryRetention.Select(selectors, [retention], missing =>
            DeferError(missing.MissForChange(() => RepositoryRetention.NotFound(missing, [repository])), missing.Text));
        foreach (RetentionSubject subject in subjects)
        {
            if (!_done.Add((repository.Session.RepositoryId, subject.ApplianceId))) continue;
            try
            {
                await ApplyAsync(subject, cancellationToken).ConfigureAwait(false);
            }
            catch (NataliaException e) when (!cancellationToken.IsCancellationRequested)
            {
                DeferError(e, subject.Name);
            }
        }
    }

    private async Task ApplyAsync(RetentionSubject subject, CancellationToken cancellationToken)
    {
        RetentionPolicy policy = subject.Stored?.Policy
            ?? throw new NataliaException(ErrorIds.RetentionPolicyMissing, NataliaErrorKind.InvalidOperation,
            $"No retention policy is set for '{subject.Name}' in repository '{subject.Repository.Name}', so none of "
            + "its restore points was removed.",
            subject.Name, "Set one with Set-NataliaRetention.");
        if (subject.Stored.Damage is string damage)
            throw new NataliaException(ErrorIds.RetentionPolicyDamaged, NataliaErrorKind.InvalidData,
                $"The retention policy of '{subject.Name}' in repository '{subject.Repository.Name}' cannot be read, "
                + $"so none of its restore points was removed: {damage}",
                subject.Name, "Set the policy again with Set-NataliaRetention.");
        IReadOnlyList<RetentionPlanRow> plan = RetentionPlanner.Plan(subject.RetentionPoints, policy, DateTime.UtcNow);
        Dictionary<string, RestorePoint> points = subject.Points.ToDictionary(p => p.RestorePointId,
            StringComparer.Ordinal);
        var wanted = new Dictionary<string, RetentionPlanRow>(StringComparer.Ordinal);
        List<PointRemoval> removals = [];
        IReadOnlyCollection<string> holders = PointRemoval.HoldersOf(plan);
        // The oldest first: what is interrupted has removed what matters least.
        foreach (RetentionPlanRow row in plan.Reverse().Where(r => r.Action == RetentionAction.Remove))
        {
            RestorePoint point = points[row.RestorePointId!];
            string target = string.Format(CultureInfo.InvariantCulture, "{0} {1} {2} ({3}) in repository '{4}'",
                subject.Name, row.LocalTime, policy.TimeZoneId, point.RestorePointId, subject.Repository.Name);
            if (!await ShouldProcessAsync(target,
                $"Remove the restore point for ever, by the policy for all points of {subject.Name}. "
                + $"{row.Reason}{(policy.TimeZoneId == "UTC" ? "" : $" (Times are those of {policy.TimeZoneId}.)")}")
                .ConfigureAwait(false))
                continue;
            wanted.Add(point.RestorePointId, row);
            removals.Add(new PointRemoval(point, $"Retention policy {policy}: {row.Reason}") { Because = holders });
        }
        int removed = removals.Count == 0
            ? 0
            : await RemoveAsync(subject, removals, wanted, cancellationToken).ConfigureAwait(false);
        await RenewLocksAsync(subject, cancellationToken).ConfigureAwait(false);
        EmitVerbose(string.Format(CultureInfo.InvariantCulture,
            "'{0}' in repository '{1}': {2} removed, {3} kept, {4} protected, {5} locked, by the policy {6}.",
            subject.Name, subject.Repository.Name,
            removed, plan.Count(r => r.Action == RetentionAction.Keep),
            plan.Count(r => r.Action == RetentionAction.Protected), plan.Count(r => r.Action == RetentionAction.Locked),
            policy));
    }

    /// <returns>How many are gone.</returns>
    private async Task<int> RemoveAsync(RetentionSubject subject, IReadOnlyList<PointRemoval> removals,
        Dictionary<string, RetentionPlanRow> wanted, CancellationToken cancellationToken)
    {
        int gone = 0, seen = 0;
        using ProgressReporter progress =
            StartProgress($"Removing points of {subject.Name} in {subject.Repository.Name}");
        Tell();
        await Evidence.Over(subject.Repository)
            .RemoveRestorePointsAsync(subject.ApplianceId, removals, (point, refusal) =>
        {
            seen++;
            Tell();
            // What somebody did to one point since it was listed does not concern the others.
            if (refusal is not null)
            {
                DeferError(refusal, point);
                return;
            }
            Registry.Completion.Forget(point.RestorePointId);
            gone++;
            Emit(wanted[point.RestorePointId]);
        }, cancellationToken).ConfigureAwait(false);
        return gone;

        void Tell() => progress.Report(new OperationProgress("Removing what the policy lets go", seen, removals.Count)
        {
            Unit = "points",
        });
    }

    /// <summary>Where locks follow the policy: what it still keeps stays locked.</summary>
    private async Task RenewLocksAsync(RetentionSubject subject, CancellationToken cancellationToken)
    {
        if (!LockRenewals.Concerns(subject.Repository) || subject.Points.Count == 0) return;
        if (!await ShouldProcessAsync($"{subject.Name} in repository '{subject.Repository.Name}'",
            $"Extend the locks of what the policy keeps, where they last less than "
            + Plural.Count(subject.Repository.Repository.ImmutableDays ?? 0, "day")).ConfigureAwait(false))
            return;
        if (await subject.Repository.Repository.RenewLocksAsync(subject.ApplianceId, look: true,
            cancellationToken).ConfigureAwait(false) is not LockRenewal renewal)
            return;
        if (LockRenewals.Describe(subject.Name, subject.Repository, renewal) is string text) EmitVerbose(text);
        foreach (string failure in renewal.Failures) EmitWarning(failure);
    }
}
