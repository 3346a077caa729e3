using System.Text.RegularExpressions;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Folder;

namespace Natalia.Backup.Hypervisors.Qemu.Machines;

/// <summary>
/// What the configuration of a VM of any hypervisor says of how it boots. Only what is told is taken; where nothing is,
/// the disks hang on SATA, which every system can read.
/// </summary>
/// <param name="Firmware">What it boots by; null when that is not told.</param>
/// <param name="Bus">What its disks hang on.</param>
internal sealed record MachineHints(Firmware? Firmware, DiskBus Bus)
{
    internal static MachineHints From(ApplianceDescription like)
    {
        string text = like.NativeConfiguration ?? "";
        return like.NativeFormat switch
        {
            DescriptionFile.FileName => FromDescription(text),
            // qm.conf(5) of Proxmox VE: "bios: ovmf" or seabios, which is the default; disks by their bus and number.
            "qemu-server" => new MachineHints(
                Matches(text, @"^\s*bios:\s*ovmf\s*$") ? Machines.Firmware.Uefi : Machines.Firmware.Bios,
                Matches(text, @"^\s*(sata|ide)\d+:(?!.*media=cdrom)") && !Matches(text, @"^\s*(virtio|scsi)\d+:")
                    ? DiskBus.Sata
                    : DiskBus.Virtio),
            // VMware: firmware = "efi"; without it, a BIOS.
            "vmx" => new MachineHints(Matches(text, "^\\s*firmware\\s*=\\s*\"efi\"\\s*$")
                ? Machines.Firmware.Uefi
                : Machines.Firmware.Bios, DiskBus.Sata),
            _ => new MachineHints(null, DiskBus.Sata),
        };
    }

    private static MachineHints FromDescription(string text)
    {
        try
        {
            using System.Text.Json.JsonDocument document = DescriptionFile.Open(text);
            var root = new JsonMember(DescriptionFile.FileName, "", document.RootElement);
            string? firmware = root.OptionalText("firmware"), bus = root.OptionalText("bus");
            return new MachineHints(
                firmware is null ? null
                    : firmware.Equals("uefi", StringComparison.OrdinalIgnoreCase) ? Machines.Firmware.Uefi
                    : Machines.Firmware.Bios,
                "virtio".Equals(bus, StringComparison.OrdinalIgnoreCase) ? DiskBus.Virtio : DiskBus.Sata);
        }
        catch (Exception e) when (e is System.Text.Json.JsonException or NataliaException)
        {
            return new MachineHints(null, DiskBus.Sata);
        }
    }

    private static bool Matches(string text, string pattern) =>
        Regex.IsMatch(text, pattern, RegexOptions.Multiline | RegexOptions.IgnoreCase | RegexOptions.CultureInvariant);
}
