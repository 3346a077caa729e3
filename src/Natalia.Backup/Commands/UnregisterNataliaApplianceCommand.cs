using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Operations.Appliances;
using Natalia.Backup.Operations.Backup;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Schedules;

namespace Natalia.Backup.Commands;

/// <summary>Ends the enrolment of an appliance. Its restore points stay.</summary>
/// <remarks>
/// <para>For an appliance that is no more, or is backed up into another repository. Backups of every enrolled appliance
/// leave it out from then on, and its kept settings are gone. Its points, its retention policy and its audit records
/// stay, and restore as before; Remove-NataliaRestorePoint and Invoke-NataliaRetention remove points, this never does.
/// The VM need not be there. Where a connected hypervisor shows it, what backups left on it for the next incremental
/// (a reference point of Hyper-V, a bitmap of a QEMU VM that runs) is removed; what is not is told as a warning.</para>
/// <para>The end is a record of the audit log, enrolment-ended, with the reason. Set-NataliaAppliance enrols the
/// appliance again, with its old history: the VM that stood for it last goes on under its id, also one that took the
/// place of another.</para>
/// <para>A VM that was restored and goes on needs no end: Set-NataliaAppliance -ApplianceId lets it take the lost one's
/// place.</para>
/// <para>A repository that holds nothing but copies of an appliance's points does not learn of its end. Where it is
/// connected, a warning names it with the command, which is this one with -ApplianceId and -Repository: it writes the
/// same record there, so that Measure-NataliaRecovery leaves the appliance out where that repository alone is read.
/// </para>
/// <para>Schedules of this machine that name the appliance are told as a warning. A VM of Proxmox VE that a schedule of
/// the cluster backs up is refused (ApplianceScheduled): Unregister-NataliaSchedule first.</para>
/// </remarks>
/// <example>
/// <code>Unregister-NataliaAppliance natalia-lyon -Reason 'The site was closed' -WhatIf</code>
/// <para>Shows what would be ended, and what stays.</para>
/// </example>
/// <example>
/// <code>Get-NataliaAppliance | Where-Object Name -like 'natalia-test*' | Unregister-NataliaAppliance -WhatIf</code>
/// <para>Shows which of the enrolled appliances would be enrolled no more.</para>
/// </example>
[Cmdlet(VerbsLifecycle.Unregister, "NataliaAppliance", SupportsShouldProcess = true,
    ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(void))]
public sealed class UnregisterNataliaApplianceCommand : NataliaCommand
{
    private ApplianceDirectory? _directory;

    /// <summary>The enrolled appliance: an object of Get-NataliaAppliance, a name, a wildcard or an id.</summary>
    [Parameter(Position = 0, ValueFromPipeline = true)]
    [Alias("VMName", "ApplianceName")]
    [ApplianceReference]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(ApplianceCompleter))]
    public string[]? Appliance { get; set; }

    /// <summary>The appliance's id. Bound from what is piped in.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(ApplianceIdCompleter))]
    public string? ApplianceId { get; set; }

    /// <summary>
    /// The repository in which the enrolment ends: the session that Connect-NataliaRepository returned, or its name.
    /// Bound from an appliance that is piped in. Left out, the one in which the appliance is enrolled; when it is
    /// enrolled in several, that is the error RepositoryAmbiguous.
    /// </summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [RepositoryReference]
    [ArgumentCompleter(typeof(RepositoryCompleter))]
    public string? Repository { get; set; }

    /// <summary>Why, for the audit log.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ValidateLength(1, 1000)]
    public string Reason { get; set; } = "Ended by hand.";

    private protected override string MissedWithoutInput => "no enrolment was ended";

    private protected override async Task ProcessAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<string> named = References.Named(Appliance, ApplianceId);
        if (named.Count == 0) throw References.NoApplianceNamed();
        _directory ??= new ApplianceDirectory(Registry, DeferError, EmitWarning);
        IReadOnlyList<RepositoryConnection> repositories = string.IsNullOrEmpty(Repository)
            ? Registry.RepositoriesWithPoints(null, null)
            : [Registry.Repositories.Get(Repository!)];
        IReadOnlyList<Enrolment> enrolments = await _directory.ListEnrolmentsAsync(repositories,
            cancellationToken).ConfigureAwait(false);
        foreach (ApplianceSelector selector in Wildcards.Selectors(named))
        {
            try
            {
                foreach (Enrolment enrolment in await FindPointsAloneAsync(enrolments, repositories[0], selector,
                    cancellationToken).ConfigureAwait(false) is Enrolment held
                    ? [held]
                    : Choose(enrolments, repositories, selector))
                    await EndAsync(enrolment, cancellationToken).ConfigureAwait(false);
            }
            catch (NataliaException e) when (!cancellationToken.IsCancellationRequested)
            {
                DeferError(e, selector.Text);
            }
        }
    }

    /// <summary>
    /// An appliance that has points in the repository that was named, and is not enrolled there: copies of another
    /// one's. Named by its id alone, because a wildcard or a name means what is enrolled.
    /// </summary>
    private async Task<Enrolment?> FindPointsAloneAsync(IReadOnlyList<Enrolment> enrolments,
        RepositoryConnection repository, ApplianceSelector selector, CancellationToken cancellationToken)
    {
        if (string.IsNullOrEmpty(Repository) || !selector.IsId || !repository.IsOwn
            || enrolments.Any(e => e.Settings.ApplianceId == selector.Text || e.Settings.SuccessorId == selector.Text)
            || !await HoldsPointsAloneAsync(repository, selector.Text, cancellationToken).ConfigureAwait(false))
            return null;
        string? name = (await repository.Repository.GetAppliancesAsync(cancellationToken).ConfigureAwait(false))
            .FirstOrDefault(a => a.ApplianceId == selector.Text)?.Name;
        return new Enrolment(repository, new ApplianceSettings
        {
            ApplianceId = selector.Text,
            Name = name ?? selector.Text,
            HypervisorKind = "",
        });
    }

    /// <summary>
    /// Whether a repository in which an appliance is not enrolled has points of it, and does not know of an end behind
    /// all of them.
    /// </summary>
    private static async Task<bool> HoldsPointsAloneAsync(RepositoryConnection repository, string applianceId,
        CancellationToken cancellationToken)
    {
        KnownEnrolments known = await repository.Repository.GetEnrolmentsAsync([applianceId],
            cancellationToken).ConfigureAwait(false);
        if (known.Enrolled.Count > 0) return false;
        if (known.Ended.Count == 0)
            return (await repository.Repository.GetApplianceIdsAsync(cancellationToken).ConfigureAwait(false))
                .Contains(applianceId);
        // It was told once, and points of it came since.
        return await repository.Repository.FindEnrolmentEndAsync(applianceId, cancellationToken).ConfigureAwait(false)
            is DateTime ended
            && (await repository.Repository.GetRestorePointsAsync(
                new RestorePointFilter { ApplianceId = applianceId, AfterUtc = ended }, null,
                cancellationToken).ConfigureAwait(false)).Any(p => EnrolmentEnd.IsOutlivedBy(p, ended));
    }

    /// <summary>
    /// Tells of the connected repositories that hold copies of the appliance's points and do not learn of its end,
    /// unless it is enrolled elsewhere and so goes on.
    /// </summary>
    private async Task TellOfCopiesAsync(Enrolment ended, CancellationToken cancellationToken)
    {
        string id = ended.Settings.ApplianceId;
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        (RepositoryConnection Other, Task<(bool IsEnrolled, bool IsHolder)> Answer)[] asked =
            [.. Registry.Repositories.Each.Where(r => r.IsOwn && !r.IsLimited
                && r.Identity != ended.Repository.Identity)
                .Select(r => (r, Task.Run(() => AskAsync(r, id, stop.Token), CancellationToken.None)))];
        Task all = Task.WhenAll(asked.Select(a => a.Answer));
        // A hint is not worth a longer wait, and a call that hangs does not look at its token.
        await Task.WhenAny(all, Task.Delay(Registry.OthersLimit, stop.Token)).ConfigureAwait(false);
        HashSet<RepositoryConnection> heard = [.. asked.Where(a => a.Answer.IsCompleted).Select(a => a.Other)];
        stop.Cancel();
        // Nobody waits for what they still say.
        _ = all.ContinueWith(t => _ = t.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted,
            TaskScheduler.Default);
        cancellationToken.ThrowIfCancellationRequested();
        List<RepositoryConnection> holders = [];
        foreach ((RepositoryConnection other, Task<(bool IsEnrolled, bool IsHolder)> answer) in asked)
        {
            try
            {
                if (!heard.Contains(other))
                    throw new NataliaException(ErrorIds.StoreUnavailable, NataliaErrorKind.Timeout,
                        $"It did not answer within {Registry.OthersLimit.TotalSeconds:0.#} seconds.", other.Name);
                (bool isEnrolled, bool isHolder) = await answer.ConfigureAwait(false);
                if (isEnrolled) return;
                if (isHolder) holders.Add(other);
            }
            catch (NataliaException e)
            {
                EmitVerbose($"Whether '{other.Name}' holds copies of it was not to be seen: {e.Message}");
            }
        }
        foreach (RepositoryConnection holder in holders)
            EmitWarning($"The repository '{holder.Name}' holds points of '{ended.Settings.Name}' as well, and does not "
                + "learn of this: where it alone is read, the appliance is measured further. "
                + $"Unregister-NataliaAppliance -ApplianceId {id} -Repository '{holder.Name}' tells it.");
    }

    private static async Task<(bool IsEnrolled, bool IsHolder)> AskAsync(RepositoryConnection repository,
        string applianceId, CancellationToken cancellationToken) =>
        (await repository.Repository.GetEnrolmentsAsync([applianceId], cancellationToken).ConfigureAwait(false))
            .Enrolled.Count > 0
            ? (true, false)
            : (false, await HoldsPointsAloneAsync(repository, applianceId, cancellationToken).ConfigureAwait(false));

    private static IReadOnlyList<Enrolment> Choose(IReadOnlyList<Enrolment> enrolments,
        IReadOnlyList<RepositoryConnection> repositories, ApplianceSelector selector)
    {
        // Nobody knows an appliance by the id of the VM that took its place, but one may have it at hand.
        IReadOnlyList<Enrolment> found = selector.Choose(enrolments, e => e.Settings.ApplianceId,
            e => e.Settings.Name);
        if (found.Count == 0) found = [.. enrolments.Where(e => e.Settings.SuccessorId == selector.Text)];
        string where = string.Join(", ", repositories.Select(r => $"'{r.Name}'"));
        if (found.Count == 0)
            throw selector.MissForChange(() => new NataliaException(ErrorIds.ApplianceNotFound,
                NataliaErrorKind.NotFound, $"No appliance '{selector.Text}' is enrolled in {where}.", selector.Text,
                "Get-NataliaAppliance lists those that are."));
        if (found.GroupBy(e => e.Settings.ApplianceId).FirstOrDefault(g => g.Skip(1).Any())
            is IGrouping<string, Enrolment> several)
            throw new NataliaException(ErrorIds.RepositoryAmbiguous, NataliaErrorKind.InvalidOperation,
                $"'{several.First().Settings.Name}' is enrolled in "
                + $"{string.Join(" and ", several.Select(e => $"'{e.Repository.Name}'"))}: which enrolment is to end?",
                selector.Text, "Name the repository with -Repository.");
        if (found.Count == 1 || selector.MeansSeveral(found.Select(e => e.Settings.Name))) return found;
        throw new NataliaException(ErrorIds.ApplianceAmbiguous, NataliaErrorKind.InvalidArgument,
            $"{found.Count} enrolled appliances are called '{selector.Text}': "
            + $"{string.Join(", ", found.Select(e => e.Settings.ApplianceId))}.", selector.Text,
            "Name the one with -ApplianceId.");
    }

    private async Task EndAsync(Enrolment enrolment, CancellationToken cancellationToken)
    {
        ApplianceSettings settings = enrolment.Settings;
        if (!await ShouldProcessAsync($"{settings.Name} ({settings.ApplianceId})",
            $"End the enrolment in repository '{enrolment.Repository.Name}'; restore points, retention policy and "
            + "audit records stay").ConfigureAwait(false))
            return;
        await Succession.EndLeftoverAsync(enrolment, cancellationToken).ConfigureAwait(false);
        await Evidence.Over(enrolment.Repository).EndEnrolmentAsync(settings, Reason,
            cancellationToken).ConfigureAwait(false);
        EmitVerbose($"'{settings.Name}' is not enrolled in '{enrolment.Repository.Name}' any more. "
            + $"Get-NataliaRestorePoint -ApplianceId {settings.ApplianceId} lists the points that stay.");
        if (enrolment.Repository.IsOwn)
        {
            await ClearAsync(enrolment, cancellationToken).ConfigureAwait(false);
            await TellOfCopiesAsync(enrolment, cancellationToken).ConfigureAwait(false);
        }
        IReadOnlyList<string>? schedules = await NamingSchedules.FindAsync([settings.Name, settings.ApplianceId],
            cancellationToken).ConfigureAwait(false);
        if (schedules is null) EmitWarning(NamingSchedules.Unseen(settings.Name));
        else if (schedules.Count > 0)
            EmitWarning($"'{settings.Name}' is named by {string.Join(", ", schedules.Select(s => $"'{s}'"))}: such "
                + "runs do not find it any more, and fail where they find nothing else. Register the schedule again, "
                + "or remove it with Unregister-NataliaSchedule.");
    }

    /// <summary>
    /// Removes what backups into the repository left on the VM: no incremental counts from it any more. The enrolment
    /// has ended whatever comes of it.
    /// </summary>
    private async Task ClearAsync(Enrolment enrolment, CancellationToken cancellationToken)
    {
        ApplianceSettings settings = enrolment.Settings;
        List<string> histories = [settings.ApplianceId, settings.VMId], kept = [];
        // A hypervisor that does not answer is a warning here: nothing else rests on it.
        var directory = new ApplianceDirectory(Registry, (e, _) => kept.Add(e.Message), EmitWarning);
        LocatedAppliance? vm = null;
        try
        {
            vm = (await directory.FindAsync(Registry.Hypervisors.All, [ApplianceSelector.Of(settings.VMId)],
                cancellationToken, StandingVMs.None).ConfigureAwait(false))
                .FirstOrDefault(a => a.Description.ApplianceId == settings.VMId);
        }
        catch (NataliaException e) when (!cancellationToken.IsCancellationRequested)
        {
            kept.Add(e.Message);
        }
        if (vm is null)
        {
            if (Leftovers.AreLeftBy(settings.HypervisorKind))
                EmitWarning($"No connected hypervisor shows the VM of '{settings.Name}'"
                    + (kept.Count > 0 ? $" ({string.Join(" ", kept)})" : "")
                    + ". If it is there all the same, what backups left on it for the next incremental stays. To have "
                    + "it removed, connect its hypervisor, enrol it again and end that.");
            return;
        }
        (IReadOnlyList<string> removed, IReadOnlyList<string> left) = await Leftovers.RemoveFormerAsync(
            vm.Hypervisor.Hypervisor, vm.Description, enrolment.Repository.Repository, histories.Contains,
            cancellationToken).ConfigureAwait(false);
        foreach (string one in removed) EmitVerbose(one);
        foreach (string one in left)
            EmitWarning($"{one} What is left stays on the VM. To have it removed, enrol the VM again and end that.");
    }
}
