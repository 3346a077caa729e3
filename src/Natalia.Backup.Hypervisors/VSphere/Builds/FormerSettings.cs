using System.Xml;
using System.Xml.Linq;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.VSphere.Client;
using Natalia.Backup.Hypervisors.VSphere.Inventory;

namespace Natalia.Backup.Hypervisors.VSphere.Builds;

/// <summary>
/// What the configuration that is kept with a point says of its VM beyond the description: without it a guest may not
/// find its disk again. For a VM of another hypervisor what fits most.
/// </summary>
internal sealed record FormerSettings
{
    internal string GuestId { get; init; } = "otherGuest64";

    /// <summary><c>bios</c> or <c>efi</c>.</summary>
    internal string Firmware { get; init; } = "bios";

    internal bool IsSecureBootOn { get; init; }

    /// <summary>The type of the disks' controller.</summary>
    internal string Controller { get; init; } = "ParaVirtualSCSIController";

    /// <summary>The type of the network adapters.</summary>
    internal string Adapter { get; init; } = "VirtualVmxnet3";

    private static readonly string[] s_controllers =
    [
        "ParaVirtualSCSIController", "VirtualLsiLogicController", "VirtualLsiLogicSASController",
        "VirtualBusLogicController",
    ];

    private static readonly string[] s_adapters =
        ["VirtualVmxnet3", "VirtualVmxnet2", "VirtualE1000", "VirtualE1000e", "VirtualPCNet32"];

    /// <summary>Reads what there is.</summary>
    /// <exception cref="NataliaException"><c>ApplianceNotSuitable</c>: the VM had a virtual TPM, whose keys no backup
    /// holds.</exception>
    internal static FormerSettings Of(ApplianceDescription appliance)
    {
        if (appliance.NativeFormat != ConfigurationText.Format || Parse(appliance) is not XElement config)
            return new FormerSettings();
        var former = new FormerSettings();
        List<string> types = [.. config.At("hardware").Members("device").Select(VimXml.TypeOf).OfType<string>()];
        if (types.Contains("VirtualTPM"))
            throw new NataliaException(ErrorIds.ApplianceNotSuitable, NataliaErrorKind.NotSupported,
                $"'{appliance.Name}' had a virtual TPM. Its keys are bound to the old VM and are in no backup, so that "
                + "what they protect would not open.", appliance.Name,
                "Write its disks with Export-NataliaDisk, and attach them to a VM that you make with its key "
                + "provider.");
        return former with
        {
            GuestId = config.Text("guestId") is { Length: > 0 } guest ? guest : former.GuestId,
            Firmware = config.Text("firmware") == "efi" ? "efi" : "bios",
            IsSecureBootOn = config.Flag("bootOptions.efiSecureBootEnabled") == true,
            Controller = types.FirstOrDefault(s_controllers.Contains) ?? former.Controller,
            Adapter = types.FirstOrDefault(s_adapters.Contains) ?? former.Adapter,
        };
    }

    private static XElement? Parse(ApplianceDescription appliance)
    {
        try
        {
            return appliance.NativeConfiguration is string text ? XElement.Parse(text) : null;
        }
        catch (XmlException)
        {
            // A point that somebody's tool has touched is restored with what fits most.
            return null;
        }
    }
}
