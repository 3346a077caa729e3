using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Operations.Appliances;

/// <summary>
/// A VM that takes the place of an appliance's lost one, in one repository: the appliance keeps its id, its points and
/// its settings. One record of the audit log does it, so that a crash leaves the VM before or the VM after.
/// </summary>
internal sealed class Succession
{
    private readonly LocatedAppliance _located;
    private readonly ApplianceSettings _appliance;
    private readonly ApplianceSettings? _own;

    private Succession(LocatedAppliance located, ApplianceSettings appliance, ApplianceSettings? own) =>
        (_located, _appliance, _own) = (located, appliance, own);

    /// <summary>The appliance's settings as they were, with the VM that takes its place.</summary>
    internal ApplianceSettings Settings { get; private set; } = null!;

    /// <summary>Whether the VM stands for the appliance already, so that only settings can change.</summary>
    internal bool IsInPlace { get; private set; }

    /// <summary>The name that the appliance had until now.</summary>
    internal string FormerName => _appliance.Name;

    /// <summary>Why, for the audit log.</summary>
    internal string Reason =>
        $"The VM {Describe(_located.Description.ApplianceId)} ('{_located.Description.Name}', "
        + _located.Description.HypervisorKind
        + (_located.Description.NativeId is string native ? $" {native}) " : ") ")
        + $"takes the place of the VM {Describe(_appliance.VMId)}.";

    private string Describe(string vmId) => vmId == _appliance.ApplianceId ? "that the appliance began with" : vmId;

    /// <summary>Plans it, and refuses what would give one appliance two VMs or one VM two appliances.</summary>
    /// <param name="repository">The repository, one of this product.</param>
    /// <param name="applianceId">The appliance whose place is taken.</param>
    /// <param name="located">The VM that takes it.</param>
    /// <param name="enrolments">All enrolments of the repository.</param>
    /// <exception cref="NataliaException"><c>CapabilityMissing</c>, <c>ApplianceNotFound</c>,
    /// <c>ApplianceAmbiguous</c>.</exception>
    internal static async Task<Succession> PlanAsync(RepositoryConnection repository, string applianceId,
        LocatedAppliance located, IReadOnlyList<Enrolment> enrolments, CancellationToken cancellationToken)
    {
        string vmId = located.Description.ApplianceId;
        string name = located.Description.Name;
        if (!repository.IsOwn)
            throw new NataliaException(ErrorIds.CapabilityMissing, NataliaErrorKind.NotSupported,
                $"The repository '{repository.Name}' keeps points by the VM's number: '{name}' cannot go on with the "
                + "history of another VM.", name,
                "Restore-NataliaAppliance -OverExisting gives the restored VM the old number. Otherwise enrol the VM "
                + "as an appliance of its own; the old points stay, and restore as before.");
        if (!ApplianceIdentity.IsValid(applianceId)) throw NotAnId(applianceId);
        ApplianceSettings? known = enrolments.FirstOrDefault(e => e.Settings.ApplianceId == applianceId)?.Settings;
        if (known is null && !(await repository.Repository.GetApplianceIdsAsync(cancellationToken)
            .ConfigureAwait(false)).Contains(applianceId))
            throw new NataliaException(ErrorIds.ApplianceNotFound, NataliaErrorKind.NotFound,
                $"The repository '{repository.Name}' knows no appliance {applianceId}.", applianceId,
                "Get-NataliaRestorePoint shows the ApplianceId of every point; Get-NataliaAppliance that of every "
                + "enrolled appliance.");
        if (enrolments.FirstOrDefault(e => e.Settings.SuccessorId == vmId && e.Settings.ApplianceId != applianceId)
            is Enrolment other)
            throw new NataliaException(ErrorIds.ApplianceAmbiguous, NataliaErrorKind.InvalidArgument,
                $"The VM '{name}' stands for the appliance '{other.Settings.Name}' ({other.Settings.ApplianceId}) in "
                + $"repository '{repository.Name}' already, and cannot stand for two.", name,
                $"Unregister-NataliaAppliance -ApplianceId {other.Settings.ApplianceId} ends that; then try again.");
        ApplianceSettings before = known ?? new ApplianceSettings
        {
            ApplianceId = applianceId,
            Name = (await repository.Repository.GetAppliancesAsync(cancellationToken).ConfigureAwait(false))
                .FirstOrDefault(a => a.ApplianceId == applianceId)?.Name ?? name,
            HypervisorKind = located.Description.HypervisorKind,
        };
        ApplianceSettings? own = vmId == applianceId
            ? null
            : enrolments.FirstOrDefault(e => e.Settings.ApplianceId == vmId && e.Settings.SuccessorId is null)
                ?.Settings;
        return new Succession(located, before, own)
        {
            IsInPlace = known?.VMId == vmId,
            Settings = before with
            {
                SuccessorId = vmId == applianceId ? null : vmId,
                HypervisorKind = located.Description.HypervisorKind,
            },
        };
    }

    /// <summary>Refuses it while the VM that stands for the appliance until now is there.</summary>
    /// <param name="directory">Finds VMs.</param>
    /// <param name="hypervisors">Where to look: all that are connected.</param>
    /// <returns>The VM, where it is there and that was forced; else null.</returns>
    /// <param name="force">Whether it is done all the same.</param>
    /// <exception cref="NataliaException"><c>ApplianceStillExists</c>.</exception>
    internal async Task<LocatedAppliance?> CheckAsync(ApplianceDirectory directory,
        IReadOnlyList<HypervisorConnection> hypervisors, bool force, CancellationToken cancellationToken)
    {
        if (_appliance.VMId == _located.Description.ApplianceId) return null;
        LocatedAppliance? old = (await directory.FindAsync(hypervisors, [ApplianceSelector.Of(_appliance.VMId)],
            cancellationToken, []).ConfigureAwait(false))
            .FirstOrDefault(a => a.Description.ApplianceId == _appliance.VMId);
        if (old is null || force) return old;
        throw new NataliaException(ErrorIds.ApplianceStillExists, NataliaErrorKind.InvalidOperation,
            $"The VM '{old.Description.Name}' on '{old.Hypervisor.Name}' stands for the appliance "
            + $"{_appliance.ApplianceId} and is still there, so '{_located.Description.Name}' does not take its place: "
            + "of two VMs one would be backed up under the other one's name. Nothing was changed.",
            _located.Description.Name,
            "Remove the old VM and try again; or say -Force, and the old VM is not backed up under this id any more.");
    }

    /// <summary>
    /// Carries it out. What the VM was enrolled as itself is ended; its own points stay under its own id.
    /// </summary>
    /// <exception cref="NataliaException"><c>LeaseHeld</c>, <c>PasswordRequired</c>, a store error: nothing was
    /// changed.</exception>
    internal async Task ExecuteAsync(RepositoryConnection repository, ApplianceSettings settings,
        CancellationToken cancellationToken)
    {
        await repository.Repository.SetApplianceSettingsAsync(settings, Reason,
            cancellationToken).ConfigureAwait(false);
        // A crash here leaves an enrolment that is not listed any more, because its VM stands for another appliance.
        if (_own is not null)
            await repository.Repository.EndEnrolmentAsync(_own,
                $"Its VM takes the place of that of the appliance {settings.ApplianceId}.",
                cancellationToken).ConfigureAwait(false);
    }

    /// <summary>A VM whose place another one took.</summary>
    internal static NataliaException Replaced(ApplianceDescription vm, Enrolment enrolment)
    {
        string id = enrolment.Settings.ApplianceId;
        return new NataliaException(ErrorIds.ApplianceReplaced, NataliaErrorKind.InvalidOperation,
            $"Another VM ('{enrolment.Settings.Name}') stands for the appliance {id} in repository "
            + $"'{enrolment.Repository.Name}', so nothing of '{vm.Name}' goes into its history.", vm.Name,
            $"If '{vm.Name}' is the old VM, remove it. To give it the place (back): Set-NataliaAppliance "
            + $"'{vm.Name}' -ApplianceId {id} -Force.");
    }

    /// <summary>What is no appliance's id.</summary>
    internal static NataliaException NotAnId(string text) =>
        new(ErrorIds.ApplianceNotFound, NataliaErrorKind.InvalidArgument,
            $"'{text}' is not an appliance's id: 32 lowercase hexadecimal digits.", text,
            "Take it from the ApplianceId of a restore point, or from Get-NataliaAppliance.");
}
