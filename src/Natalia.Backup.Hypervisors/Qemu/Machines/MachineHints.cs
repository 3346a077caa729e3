using System.Text.Json;
using System.Text.RegularExpressions;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Configurations;
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
    internal static MachineHints From(ApplianceDescription like) => new(ConfiguredFirmware.IsUefi(like) switch
    {
        true => Machines.Firmware.Uefi,
        false => Machines.Firmware.Bios,
        null => null,
    }, BusOf(like));

    private static DiskBus BusOf(ApplianceDescription like)
    {
        string text = like.NativeConfiguration ?? "";
        return like.NativeFormat switch
        {
            DescriptionFile.FileName => BusOfDescription(text),
            // qm.conf(5) of Proxmox VE: disks by their bus and number.
            "qemu-server" => Matches(text, @"^\s*(sata|ide)\d+:(?!.*media=cdrom)")
                && !Matches(text, @"^\s*(virtio|scsi)\d+:")
                    ? DiskBus.Sata
                    : DiskBus.Virtio,
            _ => DiskBus.Sata,
        };
    }

    private static DiskBus BusOfDescription(string text)
    {
        try
        {
            using JsonDocument document = DescriptionFile.Open(text);
            string? bus = new JsonMember(DescriptionFile.FileName, "", document.RootElement).OptionalText("bus");
            return "virtio".Equals(bus, StringComparison.OrdinalIgnoreCase) ? DiskBus.Virtio : DiskBus.Sata;
        }
        catch (Exception e) when (e is JsonException or NataliaException)
        {
            return DiskBus.Sata;
        }
    }

    private static bool Matches(string text, string pattern) =>
        Regex.IsMatch(text, pattern, RegexOptions.Multiline | RegexOptions.IgnoreCase | RegexOptions.CultureInvariant);
}
