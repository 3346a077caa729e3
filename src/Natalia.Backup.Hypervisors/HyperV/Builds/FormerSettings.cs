using System.Text.RegularExpressions;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.HyperV.Cim;
using Natalia.Backup.Hypervisors.HyperV.Inventory;

namespace Natalia.Backup.Hypervisors.HyperV.Builds;

/// <summary>
/// What the configuration that is kept with a point says of its VM beyond the description; for a VM of another
/// hypervisor what fits most: generation 2, without secure boot.
/// </summary>
internal sealed record FormerSettings
{
    internal string SubType { get; init; } = "Microsoft:Hyper-V:SubType:2";

    internal bool IsSecondGeneration => SubType.EndsWith(":2", StringComparison.Ordinal);

    internal bool IsSecureBootOn { get; init; }

    internal string? SecureBootTemplate { get; init; }

    /// <summary>Reads what there is.</summary>
    /// <exception cref="NataliaException"><c>ApplianceNotSuitable</c>: the VM had a virtual TPM, whose keys no backup
    /// holds.</exception>
    internal static FormerSettings Of(ApplianceDescription appliance)
    {
        if (appliance.NativeFormat != MachineReader.NativeFormat || appliance.NativeConfiguration is not string text)
            return new FormerSettings();
        var former = new FormerSettings();
        // Each object by itself, so that one that cannot be read costs no other. Their values, such as a VM's notes,
        // may have several lines.
        foreach (Match instance in Regex.Matches(text, "<INSTANCE .*?</INSTANCE>", RegexOptions.Singleline))
        {
            CimRow row;
            try
            {
                row = EmbeddedInstance.Read(instance.Value);
            }
            catch (FormatException)
            {
                continue;
            }
            if (row.ClassName == "Msvm_VirtualSystemSettingData" && row.Text("VirtualSystemSubType") is string subType)
                former = former with
                {
                    SubType = subType,
                    IsSecureBootOn = row.Flag("SecureBootEnabled") == true,
                    SecureBootTemplate = row.Text("SecureBootTemplateId"),
                };
            if (row.ClassName == "Msvm_SecuritySettingData" && row.Flag("TpmEnabled") == true)
                throw new NataliaException(ErrorIds.ApplianceNotSuitable, NataliaErrorKind.NotSupported,
                    $"'{appliance.Name}' had a virtual TPM. Its keys are bound to the old VM and are in no backup, so "
                    + "that what they protect would not open.", appliance.Name,
                    "Write its disks with Export-NataliaDisk, and attach them to a VM that you make with its key "
                    + "protector.");
        }
        return former;
    }
}
