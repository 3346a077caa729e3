using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.HyperV.Cim;
using Natalia.Backup.Hypervisors.HyperV.Guests;
using Natalia.Backup.Hypervisors.HyperV.Inventory;

namespace Natalia.Backup.Hypervisors.HyperV.Checkpoints;

/// <summary>What a guest can do before its disks are frozen.</summary>
internal static class GuestQuiescing
{
    private const string Vss = "Msvm_VssComponent", Setting = "Msvm_VssComponentSettingData";
    private const long On = 2, Off = 3;

    /// <summary>Why the guest cannot be asked, in a full sentence; null when it can.</summary>
    internal static async Task<string?> WhyNotAsync(Machine machine, CancellationToken cancellationToken)
    {
        if (machine.Component(Setting) is CimRow setting && setting.Number("EnabledState") == Off)
            return "The integration service for backups (volume checkpoint) is switched off for the VM; "
                + "Set-NataliaAppliance -EnableVss switches it on.";
        IReadOnlyList<CimRow> found = await machine.Host.AssociatorsAsync(machine.Path, "Msvm_SystemDevice", Vss,
            cancellationToken).ConfigureAwait(false);
        // Msvm_VssComponent.OperationalStatus; 3 is an older version that works.
        return found.Count == 0 ? "The guest has no integration service for backups."
            : found[0].Numbers("OperationalStatus").FirstOrDefault() switch
            {
                2 or 3 => null,
                7 => "The guest's integration service for backups does not fit the host's version.",
                12 => "The guest's integration service for backups was never heard of: in a Linux guest "
                    + "hv_vss_daemon has to run.",
                13 => "The guest's integration service for backups does not answer any more.",
                long other => $"The guest's integration service for backups is in the state {other}.",
            };
    }

    /// <summary>Switches the service on, and reads it back.</summary>
    /// <param name="machine">The VM.</param>
    /// <param name="cancellationToken">Stops it.</param>
    internal static async Task<QuiescingService> EnableAsync(Machine machine, CancellationToken cancellationToken)
    {
        CimRow setting = machine.Component(Setting) ?? throw new NataliaException(ErrorIds.ApplianceNotSuitable,
            NataliaErrorKind.NotSupported, $"The VM '{machine.Name}' has no integration service for backups.",
            machine.Name, "See on the host what Get-VMIntegrationService says of it.");
        bool wasOn = setting.Number("EnabledState") == On;
        if (!wasOn)
        {
            string text = EmbeddedInstance.From(setting).Set("EnabledState", (ushort)On).ToText();
            try
            {
                await ChangeAsync("ModifyGuestServiceSettings", "GuestServiceSettings").ConfigureAwait(false);
            }
            catch (NataliaException e) when (e.ErrorId is ErrorIds.ServerRefused or ErrorIds.TaskFailed
                or ErrorIds.ServerError)
            {
                // Which of the two a host takes for this service, its documentation leaves open.
                await ChangeAsync("ModifyResourceSettings", "ResourceSettings").ConfigureAwait(false);
            }
            machine = await MachineReader.FindAsync(machine.Host, machine.Id, cancellationToken).ConfigureAwait(false)
                ?? machine;
            if (machine.Component(Setting)?.Number("EnabledState") != On)
                throw new NataliaException(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData,
                    $"The Hyper-V host '{machine.Host.Name}' says that it switched the integration service for "
                    + $"backups of '{machine.Name}' on, and it is still off.", machine.Name,
                    "Switch it on there: Enable-VMIntegrationService.");

            Task ChangeAsync(string method, string argument) => machine.Host.CallAsync(
                "Msvm_VirtualSystemManagementService", method, new CimArguments { { argument, new[] { text } } },
                cancellationToken);
        }
        return new QuiescingService(wasOn, machine.IsRunning
            ? await WhyNotAsync(machine, cancellationToken).ConfigureAwait(false) : null);
    }

    /// <summary>
    /// What a checkpoint reaches for which the guest was asked: Windows has its programs take part, any other guest
    /// freezes its file systems.
    /// </summary>
    internal static async Task<Consistency> ReachAsync(Machine machine, CancellationToken cancellationToken) =>
        (await GuestFacts.ReadAsync(machine, "OSName", cancellationToken).ConfigureAwait(false))?
            .StartsWith("Windows", StringComparison.OrdinalIgnoreCase) == true
            ? Consistency.Application
            : Consistency.FileSystem;
}
