using System.Text.Json;
using System.Text.RegularExpressions;
using System.Xml;
using System.Xml.Linq;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Folder;
using Natalia.Backup.Hypervisors.HyperV.Cim;
using Natalia.Backup.Hypervisors.HyperV.Inventory;
using Natalia.Backup.Hypervisors.VSphere.Client;
using Natalia.Backup.Hypervisors.VSphere.Inventory;

namespace Natalia.Backup.Hypervisors.Configurations;

/// <summary>What the configuration of a VM of any hypervisor says of its firmware.</summary>
public static class ConfiguredFirmware
{
    /// <summary>Whether a VM starts by UEFI; null where its configuration does not say.</summary>
    /// <param name="appliance">The VM, as it is or as a restore point keeps it.</param>
    public static bool? IsUefi(ApplianceDescription appliance)
    {
        if (appliance.NativeConfiguration is not string text) return null;
        try
        {
            return appliance.NativeFormat switch
            {
                DescriptionFile.FileName => OfDescription(text),
                "qemu-server" => OfProxmox(text),
                ConfigurationText.Format => OfVSphere(text),
                MachineReader.NativeFormat => OfHyperV(text),
                _ => null,
            };
        }
        catch (Exception e) when (e is JsonException or XmlException or FormatException or NataliaException)
        {
            // What somebody's tool has touched says nothing.
            return null;
        }
    }

    private static bool? OfDescription(string text)
    {
        using JsonDocument document = DescriptionFile.Open(text);
        return new JsonMember(DescriptionFile.FileName, "", document.RootElement).OptionalText("firmware")
            ?.Equals("uefi", StringComparison.OrdinalIgnoreCase);
    }

    // qm.conf(5) of Proxmox VE: "bios: ovmf" or seabios, which is the default. Sections are those of snapshots.
    private static bool OfProxmox(string text) =>
        Regex.IsMatch(Regex.Split(text, @"^\[", RegexOptions.Multiline)[0], @"^\s*bios:\s*ovmf\s*$",
            RegexOptions.Multiline | RegexOptions.IgnoreCase | RegexOptions.CultureInvariant);

    // GuestOsDescriptorFirmwareType of vim25.
    private static bool? OfVSphere(string text)
    {
        using XmlReader reader = XmlReader.Create(new StringReader(text), new XmlReaderSettings
        {
            DtdProcessing = DtdProcessing.Prohibit,
            XmlResolver = null,
        });
        return XElement.Load(reader).Text("firmware") switch
        {
            "efi" => true,
            "bios" => false,
            _ => null,
        };
    }

    // VMs of generation 2 have UEFI, those of generation 1 a BIOS. The settings of the VM come first.
    private static bool? OfHyperV(string text) =>
        EmbeddedInstance.Read(text).Text("VirtualSystemSubType") switch
        {
            string type when type.EndsWith(":2", StringComparison.Ordinal) => true,
            string type when type.EndsWith(":1", StringComparison.Ordinal) => false,
            _ => null,
        };
}
