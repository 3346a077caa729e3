using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Configurations;
using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Operations.Backup;

/// <summary>Says beforehand whether the points of a VM will hold the state of its firmware.</summary>
internal static class FirmwareStateCheck
{
    private const string Name = "FirmwareState", StartsByBios = "starts by BIOS, which keeps nothing";

    /// <param name="hypervisor">The hypervisor.</param>
    /// <param name="appliance">The VM.</param>
    internal static async Task<CheckResult> ExecuteAsync(IHypervisor hypervisor, ApplianceDescription appliance,
        CancellationToken cancellationToken)
    {
        CheckResult check = new()
        {
            Name = Name,
            Result = CheckOutcome.NotEvidenced,
            Target = appliance.Name,
            ApplianceId = appliance.ApplianceId,
            Expected = "UEFI variables and TPM state in the point, where the VM has them",
        };
        if (hypervisor.Find<INativeProtection>() is not null)
            return check with
            {
                Result = CheckOutcome.Passed,
                Actual = "kept with the VM",
                Detail = "The hypervisor's own backup holds the VM's EFI disk and TPM state.",
            };
        if (ConfiguredFirmware.IsUefi(appliance) == false && hypervisor.Find<IAttachmentSource>() is null)
            return check with { Result = CheckOutcome.Passed, Actual = StartsByBios };
        if (hypervisor.Find<IAttachmentSource>() is not IAttachmentSource source)
            return check with
            {
                Result = CheckOutcome.NotEvidenced,
                Actual = "not given",
                Detail = $"The {hypervisor.Kind} hypervisor does not give them. A VM that is built of a point gets "
                    + "fresh ones: it starts its boot loader from the default path of its EFI partition, and asks for "
                    + "the recovery key of a disk that its TPM unlocked.",
            };
        try
        {
            IReadOnlyList<RestorePointAttachment> found = await source.FindAttachmentsAsync(appliance,
                cancellationToken).ConfigureAwait(false);
            return found.Count > 0 || ConfiguredFirmware.IsUefi(appliance) == false
                ? check with
                {
                    Result = CheckOutcome.Passed,
                    Actual = found.Count > 0 ? string.Join(", ", found) : StartsByBios,
                }
                : check with
                {
                    Result = CheckOutcome.NotEvidenced,
                    Actual = "none",
                    Detail = "No UEFI variables and no TPM state of this VM are known. Nothing is missing as long as "
                        + "it starts by BIOS, or by the default path of its EFI partition."
                        + (hypervisor.Kind == "Folder" && ConfiguredFirmware.IsUefi(appliance) is null
                            ? " \"firmware\": \"bios\" in its vm.json says that it starts by BIOS."
                            : ""),
                };
        }
        catch (NataliaException e) when (e.ErrorId is ErrorIds.AttachmentNotRead or ErrorIds.PathNotContained)
        {
            return check with
            {
                Result = CheckOutcome.Failed,
                Actual = "cannot be read",
                Detail = e.Message,
                ErrorId = e.ErrorId,
            };
        }
    }
}
