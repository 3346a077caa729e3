using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Appliances;
using Natalia.Backup.Operations.BusinessDays;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Operations.Backup;

/// <summary>
/// Finds out what is to be backed up, which disks of it, and where to. What cannot be planned is reported, and hinders
/// nothing else.
/// </summary>
/// <param name="registry">The connections.</param>
/// <param name="wishes">What the user said.</param>
/// <param name="report">Takes why something is not planned, and what it is about.</param>
/// <param name="warn">Takes warnings.</param>
internal sealed class BackupPlanner(SessionRegistry registry, BackupWishes wishes, Action<Exception, object?> report,
    Action<string> warn)
{
    private readonly ApplianceDirectory _directory = new(registry, report, warn);

    /// <summary>The runs that come of all that is wanted, each once.</summary>
    internal async Task<IReadOnlyList<PlannedRun>> PlanAsync(IReadOnlyList<WantedBackup> wanted,
        CancellationToken cancellationToken)
    {
        if (wanted.All(w => w.Repository is not null))
            _directory.Needed = [.. wanted.SelectMany(w => registry.Repositories.FindAll(w.Repository!))];
        // All that is wanted of a hypervisor is asked for at once.
        foreach (IGrouping<string, WantedBackup> same in wanted.GroupBy(r => string.Join("\n", r.Hypervisors ?? [])))
        {
            try
            {
                IReadOnlyList<HypervisorConnection> hypervisors =
                    registry.Hypervisors.ForReading(same.First().Hypervisors);
                StandingVMs standing = await _directory.StandingAsync(hypervisors,
                    cancellationToken).ConfigureAwait(false);
                await _directory.FindAsync(hypervisors, [.. same.SelectMany(r => r.Appliances)], cancellationToken,
                    standing).ConfigureAwait(false);
            }
            catch (NataliaException) when (!cancellationToken.IsCancellationRequested)
            {
                // Each of them meets the same trouble below, and says what it means for it.
            }
        }
        List<PlannedRun> runs = [];
        foreach (WantedBackup request in wanted)
        {
            try
            {
                runs.AddRange(await PlanAsync(request, cancellationToken).ConfigureAwait(false));
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested)
            {
                report(e,
                    request.Appliances.Count > 0 ? string.Join(", ", request.Appliances.Select(a => a.Text)) : null);
            }
        }
        return [.. runs.GroupBy(r => (r.Located.Description.ApplianceId, r.ApplianceId, r.Repository))
            .Select(g => g.First())];
    }

    private async Task<IReadOnlyList<PlannedRun>> PlanAsync(WantedBackup request, CancellationToken cancellationToken)
    {
        IReadOnlyList<LocatedAppliance> appliances = await FindAsync(request, cancellationToken).ConfigureAwait(false);
        List<LocatedAppliance> wanted = [];
        foreach (ApplianceSelector selector in request.Appliances)
        {
            try
            {
                wanted.AddRange(ApplianceDirectory.SelectForChange(appliances, selector));
            }
            catch (NataliaException e)
            {
                string? name = selector.IsId && e.ErrorId == ErrorIds.ApplianceNotFound
                    ? await NameOfAsync(selector.Text, cancellationToken).ConfigureAwait(false)
                    : null;
                report(name is null ? e : ApplianceDirectory.NotFound(selector.Text, name), selector.Text);
            }
        }
        if (request.ApplianceId is not null && wanted.Count > 1)
            throw new NataliaException(ErrorIds.ApplianceAmbiguous, NataliaErrorKind.InvalidArgument,
                $"{wanted.Count} VMs cannot go on with the history of one appliance, {request.ApplianceId}.",
                request.ApplianceId, "Name one VM.");
        if (request.ApplianceId is not null && !ApplianceIdentity.IsValid(request.ApplianceId))
            throw Succession.NotAnId(request.ApplianceId);
        List<PlannedRun> runs = [];
        foreach (LocatedAppliance located in wanted)
        {
            try
            {
                runs.AddRange(await PlanAsync(request, located, cancellationToken).ConfigureAwait(false));
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested)
            {
                report(e, ApplianceView.Create(located, null));
            }
        }
        return runs;
    }

    /// <summary>The VMs that a request may mean. Which VM stands for an appliance, all repositories say.</summary>
    private async Task<IReadOnlyList<LocatedAppliance>> FindAsync(WantedBackup request,
        CancellationToken cancellationToken)
    {
        IReadOnlyList<HypervisorConnection> hypervisors = registry.Hypervisors.ForReading(request.Hypervisors);
        return await _directory.FindAsync(hypervisors, request.Appliances, cancellationToken,
            await _directory.StandingAsync(hypervisors, cancellationToken).ConfigureAwait(false)).ConfigureAwait(false);
    }

    /// <summary>
    /// The name that an enrolment keeps of a VM: whoever reads a night's errors knows no ids. Null when nobody knows
    /// it.
    /// </summary>
    private async Task<string?> NameOfAsync(string applianceId, CancellationToken cancellationToken) =>
        (await _directory.StandingAsync(cancellationToken).ConfigureAwait(false)).Of(applianceId)?.Settings.Name;

    private async Task<LocatedAppliance?> FindVMAsync(string vmId, CancellationToken cancellationToken) =>
        (await _directory.FindAsync(registry.Hypervisors.ForReading(null), [ApplianceSelector.Of(vmId)],
            cancellationToken, StandingVMs.None).ConfigureAwait(false))
        .FirstOrDefault(a => a.Description.ApplianceId == vmId);

    private async Task<IReadOnlyList<PlannedRun>> PlanAsync(WantedBackup request, LocatedAppliance located,
        CancellationToken cancellationToken)
    {
        string vmId = located.Description.ApplianceId;
        if (wishes.DataDiskOnly == true && located.Hypervisor.Hypervisor.Find<INativeProtection>() is null)
            throw new NataliaException(ErrorIds.CapabilityMissing, NataliaErrorKind.InvalidArgument,
                $"-DataDiskOnly is for Proxmox VE; of '{located.Description.Name}' the data disk alone is taken "
                + "anyway unless -IncludeSystemDisk is said.",
                located.Description.Name);
        if (located.Hypervisor.Hypervisor.Find<INativeProtection>() is not null)
            return await PlanNativeAsync(request, located, request.ApplianceId ?? vmId,
                cancellationToken).ConfigureAwait(false);
        StandingVMs standing = await _directory.StandingAsync(cancellationToken).ConfigureAwait(false);
        // A VM that took another one's place goes on with that one's history, under its id.
        string id = request.ApplianceId ?? standing.IdOf(vmId);
        await Succession.CheckRunAsync(standing, id, located,
            other => FindVMAsync(other, cancellationToken)).ConfigureAwait(false);
        IReadOnlyList<RepositoryConnection> repositories = request.Repository is not null
            ? [registry.RepositoryFor(located.Hypervisor, request.Repository, located.Description.Name)]
            : [.. registry.RepositoriesWithPoints(null, null).Where(r => r.Takes(located.Hypervisor))];
        List<Enrolment> enrolments =
            [.. (await _directory.ListEnrolmentsAsync(repositories, cancellationToken).ConfigureAwait(false))
            .Where(e => e.Settings.ApplianceId == id || (request.ApplianceId is null && e.IsOf(located)))];
        if (standing.Of(id) is Enrolment word && word.IsOf(located)) LeaveOut(request, located, enrolments, word);
        if (request.Repository is null && enrolments.Count == 0)
            repositories = [registry.RepositoryFor(located.Hypervisor, null, located.Description.Name)];
        else if (request.Repository is null) repositories = [.. enrolments.Select(e => e.Repository)];
        List<PlannedRun> runs = [];
        foreach (RepositoryConnection repository in repositories)
        {
            Enrolment? enrolment = enrolments.Find(e => e.Repository == repository && e.IsOf(located))
                ?? enrolments.Find(e => e.Repository == repository);
            string goesOn = enrolment?.Settings.ApplianceId ?? id;
            bool system = wishes.IncludeSystemDisk ?? enrolment?.Settings.IncludeSystemDisk ?? false;
            IReadOnlyList<ApplianceDisk> disks = DiskSelection.Select(located.Description,
                wishes.DataDisk ?? enrolment?.Settings.DataDiskId, system);
            if (system && disks.Count == 1)
                warn($"{located.Description.Name} has no other disk than its data disk '{disks[0].DiskId}': there is "
                    + "no system disk to take along.");
            runs.Add(WithBaseline(new PlannedRun(located, goesOn, disks, repository,
                ApplianceView.Create(located, enrolment) with { ApplianceId = goesOn })
            {
                StandingVMId = enrolments.Find(e => e.Repository == repository && e.Settings.ApplianceId == goesOn)
                    ?.Settings.VMId,
                // What a repository says of itself counts there, whatever others say.
                Unheard = enrolments.Exists(e => e.Repository == repository) ? [] : _directory.Unheard,
                OnQuiesceFailure = enrolment?.Settings.OnQuiesceFailure ?? default,
                NeverQuiesce = enrolment?.Settings.NeverQuiesce ?? false,
            }, enrolment));
        }
        return runs;
    }

    /// <summary>
    /// Leaves out the repositories in which another VM still stands for the appliance, because nobody told them that
    /// this one took its place: neither is its data mixed with the old VM's there, nor is it silently missing.
    /// </summary>
    /// <exception cref="NataliaException"><c>ApplianceReplaced</c>: nothing is left.</exception>
    private void LeaveOut(WantedBackup request, LocatedAppliance located, List<Enrolment> enrolments, Enrolment word)
    {
        List<Enrolment> old = enrolments.FindAll(e => !e.IsOf(located)
            && !enrolments.Exists(o => o.Repository == e.Repository && o.IsOf(located)));
        if (old.Count == 0) return;
        if (request.Repository is not null || old.Count == enrolments.Count)
            throw Succession.NotTold(located.Description, old[0], word);
        foreach (Enrolment one in old)
        {
            warn(Succession.NotToldWarning(located.Description.ApplianceId, one));
            enrolments.Remove(one);
        }
    }

    /// <summary>A calendar that cannot be read is told before anything is made.</summary>
    private PlannedRun WithBaseline(PlannedRun run, Enrolment? enrolment)
    {
        RestoreTestSettings? settings = enrolment?.Settings.RestoreTest;
        bool isNeeded = wishes.CdrBaseline is not null || settings?.CdrCountCommand is not null;
        return run with
        {
            RestoreTest = settings,
            GivenCdrBaseline = wishes.CdrBaseline,
            Calendar = isNeeded ? BusinessCalendar.ParseKept(settings?.BusinessCalendar) : BusinessCalendar.Default,
        };
    }

    /// <summary>
    /// A hypervisor that protects by itself does so into its own storages only: the one named, those that the VM is
    /// enrolled in, or the only one.
    /// </summary>
    private async Task<IReadOnlyList<PlannedRun>> PlanNativeAsync(WantedBackup request, LocatedAppliance located,
        string id, CancellationToken cancellationToken)
    {
        ApplianceDescription appliance = located.Description;
        if (id != appliance.ApplianceId)
            throw new NataliaException(ErrorIds.CapabilityMissing, NataliaErrorKind.NotSupported,
                $"A {appliance.HypervisorKind} hypervisor keeps points by the VM's number: '{appliance.Name}' cannot "
                + "go on with the history of another appliance.",
                appliance.Name);
        IReadOnlyList<RepositoryConnection> candidates = request.Repository is not null
            ? [registry.RepositoryFor(located.Hypervisor, request.Repository, appliance.Name)]
            : [.. registry.Repositories.All.Where(r => r.Takes(located.Hypervisor))];
        List<Enrolment> enrolments =
            [.. (await _directory.ListEnrolmentsAsync(candidates, cancellationToken).ConfigureAwait(false))
            .Where(e => e.Settings.ApplianceId == id)];
        if (request.Repository is null)
            candidates = enrolments.Count > 0
                ? [.. enrolments.Select(e => e.Repository)]
                : [registry.RepositoryFor(located.Hypervisor, null, appliance.Name)];
        List<PlannedRun> runs = [];
        foreach (RepositoryConnection repository in candidates)
        {
            Enrolment? enrolment = enrolments.Find(e => e.Repository == repository);
            bool dataDiskOnly = wishes.DataDiskOnly ?? !wishes.IncludeSystemDisk
                ?? enrolment is { Settings.IncludeSystemDisk: false };
            string? dataDisk = wishes.DataDisk ?? enrolment?.Settings.DataDiskId;
            IReadOnlyList<ApplianceDisk> disks = dataDiskOnly
                ? [DataDiskRule.Choose(appliance, dataDisk) with { Role = DiskRole.Data }]
                : appliance.Disks;
            runs.Add(WithBaseline(new PlannedRun(located, id, disks, repository,
                ApplianceView.Create(located, enrolment))
            {
                NativeRequest = new NativeBackupRequest
                {
                    RequestedType = wishes.Type,
                    DataDiskOnly = dataDiskOnly,
                    DataDiskId = dataDisk,
                },
            }, enrolment));
        }
        return runs;
    }
}
