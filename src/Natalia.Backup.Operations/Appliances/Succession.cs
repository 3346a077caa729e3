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
    private readonly IReadOnlyList<ApplianceSettings> _own;
    private readonly IReadOnlyList<string> _standing;

    private Succession(LocatedAppliance located, ApplianceSettings appliance, IReadOnlyList<ApplianceSettings> own,
        IReadOnlyList<string> standing) =>
        (_located, _appliance, _own, _standing) = (located, appliance, own, standing);

    /// <summary>The appliance's settings as they were, with the VM that takes its place.</summary>
    internal ApplianceSettings Settings { get; private set; } = null!;

    /// <summary>The appliance's settings as the repository has them; null where it is not enrolled there.</summary>
    internal ApplianceSettings? Before { get; private set; }

    /// <summary>
    /// Whether the VM stands for the appliance already, so that only settings can change, or an enrolment that ended
    /// begins again.
    /// </summary>
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
    /// <param name="standing">What all connected repositories say.</param>
    /// <exception cref="NataliaException"><c>CapabilityMissing</c>, <c>ApplianceNotFound</c>,
    /// <c>ApplianceAmbiguous</c>.</exception>
    internal static async Task<Succession> PlanAsync(RepositoryConnection repository, string applianceId,
        LocatedAppliance located, IReadOnlyList<Enrolment> enrolments, StandingVMs standing,
        CancellationToken cancellationToken)
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
        Enrolment? word = standing.Of(applianceId);
        if (known is null && word is null && applianceId != vmId
            && !(await repository.Repository.GetApplianceIdsAsync(cancellationToken).ConfigureAwait(false))
                .Contains(applianceId))
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
            Name = word?.Settings.Name
                ?? (await repository.Repository.GetAppliancesAsync(cancellationToken).ConfigureAwait(false))
                    .FirstOrDefault(a => a.ApplianceId == applianceId)?.Name ?? name,
            HypervisorKind = located.Description.HypervisorKind,
            SuccessorId = word?.Settings.SuccessorId,
            FormerIds = word?.Settings.FormerIds ?? [],
        };
        IReadOnlyList<string> former = standing.FormerOf(applianceId, vmId);
        return new Succession(located, before, await FindOwnAsync(repository,
            new[] { vmId, before.VMId }.Where(id => id != applianceId).Distinct(StringComparer.Ordinal),
            cancellationToken).ConfigureAwait(false),
            // What was decided in another repository is told to this one, whether the old VM is there or not.
            word is not null && word.IsOf(located)
                ? []
                : [.. standing.WordsOf(applianceId).Where(e => !e.IsEnded).Select(e => e.Settings.VMId)
                    .Append(before.VMId).Where(id => id != vmId).Distinct(StringComparer.Ordinal)])
        {
            Before = known,
            IsInPlace = before.VMId == vmId,
            Settings = before with
            {
                SuccessorId = vmId == applianceId ? null : vmId,
                FormerIds = former.SequenceEqual(before.FormerIds) ? before.FormerIds : former,
                HypervisorKind = located.Description.HypervisorKind,
            },
        };
    }

    /// <summary>
    /// The enrolments of VMs as themselves, read in their own logs: the list of enrolments hides those of VMs that
    /// stand for another appliance.
    /// </summary>
    private static async Task<IReadOnlyList<ApplianceSettings>> FindOwnAsync(RepositoryConnection repository,
        IEnumerable<string> vmIds, CancellationToken cancellationToken)
    {
        List<ApplianceSettings> own = [];
        foreach (string id in vmIds)
            if (await repository.Repository.FindApplianceSettingsAsync(id, cancellationToken).ConfigureAwait(false)
                is { SuccessorId: null } settings)
                own.Add(settings);
        return own;
    }

    /// <summary>
    /// Ends what a takeover left of the successor's enrolment as itself: it would come to light when the appliance's
    /// own enrolment ends.
    /// </summary>
    /// <exception cref="NataliaException">As that of <see cref="ExecuteAsync"/>.</exception>
    internal static async Task EndLeftoverAsync(Enrolment enrolment, CancellationToken cancellationToken)
    {
        if (!enrolment.Repository.IsOwn || enrolment.Settings.SuccessorId is not string vmId) return;
        foreach (ApplianceSettings own in await FindOwnAsync(enrolment.Repository, [vmId],
            cancellationToken).ConfigureAwait(false))
            await enrolment.Repository.Repository.EndEnrolmentAsync(own, Ended(enrolment.Settings.ApplianceId),
                cancellationToken).ConfigureAwait(false);
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
        if (_standing.Count == 0) return null;
        LocatedAppliance? old = (await directory.FindAsync(hypervisors, [.. _standing.Select(ApplianceSelector.Of)],
            cancellationToken, StandingVMs.None).ConfigureAwait(false))
            .FirstOrDefault(a => _standing.Contains(a.Description.ApplianceId));
        if (old is null || force) return old;
        throw new NataliaException(ErrorIds.ApplianceStillExists, NataliaErrorKind.InvalidOperation,
            $"The VM '{old.Description.Name}' on '{old.Hypervisor.Name}' stands for the appliance "
            + $"{_appliance.ApplianceId} and is still there, so '{_located.Description.Name}' does not take its place: "
            + "of two VMs one would be backed up under the other one's name. Nothing was changed.",
            _located.Description.Name,
            "Remove the old VM and try again; or say -Force, and the old VM is not backed up under this id any more.");
    }

    /// <summary>
    /// Carries it out. What the VMs were enrolled as themselves is ended; their own points stay under their own ids.
    /// </summary>
    /// <param name="repository">The repository.</param>
    /// <param name="settings">The settings to write; null where nothing of them changes.</param>
    /// <param name="warn">Takes what could not be ended: the takeover itself is written then.</param>
    /// <exception cref="NataliaException"><c>LeaseHeld</c>, <c>PasswordRequired</c>, a store error: nothing was
    /// changed.</exception>
    internal async Task ExecuteAsync(RepositoryConnection repository, ApplianceSettings? settings, Action<string> warn,
        CancellationToken cancellationToken)
    {
        if (settings is not null)
            await repository.Repository.SetApplianceSettingsAsync(settings, IsInPlace ? null : Reason,
                cancellationToken).ConfigureAwait(false);
        // A crash here leaves an enrolment that is not listed any more, because its VM stands for another appliance;
        // the same command, said again, ends it.
        foreach (ApplianceSettings own in _own)
        {
            try
            {
                await repository.Repository.EndEnrolmentAsync(own, Ended(_appliance.ApplianceId),
                    cancellationToken).ConfigureAwait(false);
            }
            catch (NataliaException e) when (!cancellationToken.IsCancellationRequested)
            {
                warn($"'{_located.Description.Name}' stands for the appliance {_appliance.ApplianceId}, but the "
                    + $"enrolment under the VM's own id {own.ApplianceId} could not be ended: {e.Message} Say the "
                    + "same command again later.");
            }
        }
    }

    private static string Ended(string applianceId) =>
        $"Its VM takes the place of that of the appliance {applianceId}.";

    /// <summary>
    /// Refuses a run that would bring a second VM's data into an appliance's history: one whose place another VM took,
    /// or one beside the living VM that stands for the appliance.
    /// </summary>
    /// <param name="standing">What all connected repositories say.</param>
    /// <param name="applianceId">Whose history shall go on.</param>
    /// <param name="located">The VM that shall be backed up.</param>
    /// <param name="findAsync">Finds a VM by its id on all connected hypervisors.</param>
    /// <exception cref="NataliaException"><c>ApplianceReplaced</c>, <c>ApplianceStillExists</c>.</exception>
    internal static async Task CheckRunAsync(StandingVMs standing, string applianceId, LocatedAppliance located,
        Func<string, Task<LocatedAppliance?>> findAsync)
    {
        ApplianceDescription vm = located.Description;
        if (standing.ReplacementOf(vm.ApplianceId) is Enrolment by
            && (applianceId == vm.ApplianceId || by.Settings.ApplianceId == applianceId))
            throw Replaced(vm, by);
        Enrolment? word = standing.Of(applianceId);
        if (standing.Disagreement(applianceId) is Enrolment other)
            throw Replaced(vm, other.Settings.VMId == vm.ApplianceId ? word! : other);
        string standsNow = word?.Settings.VMId ?? applianceId;
        if (standsNow == vm.ApplianceId) return;
        if (await findAsync(standsNow).ConfigureAwait(false) is not LocatedAppliance old) return;
        throw new NataliaException(ErrorIds.ApplianceStillExists, NataliaErrorKind.InvalidOperation,
            $"The VM '{old.Description.Name}' on '{old.Hypervisor.Name}' stands for the appliance {applianceId} and is "
            + $"still there, so nothing of '{vm.Name}' goes into its history.", vm.Name,
            $"Remove the old VM, or let '{vm.Name}' take its place: Set-NataliaAppliance {vm.ApplianceId} "
            + $"-ApplianceId {applianceId}{(word is null ? "" : $" -Repository '{word.Repository.Name}'")} -Force.");
    }

    /// <summary>A VM whose place another one took.</summary>
    internal static NataliaException Replaced(ApplianceDescription vm, Enrolment enrolment)
    {
        string id = enrolment.Settings.ApplianceId;
        return new NataliaException(ErrorIds.ApplianceReplaced, NataliaErrorKind.InvalidOperation,
            $"Another VM ('{enrolment.Settings.Name}', {enrolment.Settings.VMId}) "
            + (enrolment.IsEnded ? "stood" : "stands")
            + $" for the appliance {id} in repository '{enrolment.Repository.Name}'"
            + (enrolment.IsEnded ? " until its enrolment ended" : "")
            + $", so nothing of '{vm.Name}' goes into its history.", vm.Name,
            $"If '{vm.Name}' is the old VM, remove it. To give it the place (back): Set-NataliaAppliance "
            + $"{vm.ApplianceId} -ApplianceId {id} -Repository '{enrolment.Repository.Name}' -Force."
            + (vm.ApplianceId == id ? "" : " To make it an appliance of its own: Set-NataliaAppliance "
                + $"{vm.ApplianceId} -ApplianceId {vm.ApplianceId} -Repository '{enrolment.Repository.Name}'."));
    }

    /// <summary>
    /// A history whose newest point is of another VM, while a repository that may know which of the two lives does not
    /// answer.
    /// </summary>
    internal static NataliaException Unknown(ApplianceDescription vm, string applianceId, string repository,
        string silent) =>
        new(ErrorIds.SuccessionUnknown, NataliaErrorKind.ResourceUnavailable,
            $"The newest point of the appliance {applianceId} in repository '{repository}' was made of another VM than "
            + $"'{vm.Name}', and '{silent}', which may know that another one stands for it, does not answer. "
            + "Nothing was written.", vm.Name,
            $"Try again when '{silent}' answers. If '{vm.Name}' is the appliance's VM: Set-NataliaAppliance "
            + $"{vm.ApplianceId} -ApplianceId {applianceId} -Repository '{repository}'.");

    /// <summary>A repository in which a VM that was replaced elsewhere still stands for an appliance.</summary>
    /// <param name="vm">The VM that took the place.</param>
    /// <param name="enrolment">What the repository has.</param>
    /// <param name="word">The newest word, of another repository.</param>
    internal static NataliaException NotTold(ApplianceDescription vm, Enrolment enrolment, Enrolment word) =>
        new(ErrorIds.ApplianceReplaced, NataliaErrorKind.InvalidOperation,
            $"{NotToldText(enrolment)} In '{word.Repository.Name}' '{vm.Name}' took its place. Nothing was written.",
            vm.Name, $"{Telling(vm.ApplianceId, enrolment)}.");

    /// <summary>That a repository is left out, for the same reason.</summary>
    internal static string NotToldWarning(string vmId, Enrolment enrolment) =>
        $"{NotToldText(enrolment)} Nothing goes there until it is told as well: {Telling(vmId, enrolment)}; or end "
        + $"that enrolment: Unregister-NataliaAppliance -ApplianceId {enrolment.Settings.ApplianceId} "
        + $"-Repository '{enrolment.Repository.Name}'.";

    private static string NotToldText(Enrolment enrolment) =>
        $"In repository '{enrolment.Repository.Name}' the VM {enrolment.Settings.VMId} still stands for the appliance "
        + $"'{enrolment.Settings.Name}' ({enrolment.Settings.ApplianceId}).";

    private static string Telling(string vmId, Enrolment enrolment) =>
        $"Set-NataliaAppliance {vmId} -ApplianceId {enrolment.Settings.ApplianceId} "
        + $"-Repository '{enrolment.Repository.Name}'";

    /// <summary>What is no appliance's id.</summary>
    internal static NataliaException NotAnId(string text) =>
        new(ErrorIds.ApplianceNotFound, NataliaErrorKind.InvalidArgument,
            $"'{text}' is not an appliance's id: 32 lowercase hexadecimal digits.", text,
            "Take it from the ApplianceId of a restore point, or from Get-NataliaAppliance.");
}
