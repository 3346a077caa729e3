using System.Buffers.Binary;
using Natalia.Backup.Hypervisors.Qemu.Protocol;

namespace Natalia.Backup.Hypervisors.Qemu.Machines;

/// <summary>What a disk's first sectors say of the firmware that can boot it.</summary>
internal static class BootDisk
{
    private const int FirstBytes = 1024 * 1024, Sector = 512, MostPartitions = 1024;

    private static readonly Guid s_efiSystem = new("C12A7328-F81F-11D2-BA4B-00A0C93EC93B"),
        s_biosBoot = new("21686148-6449-6E6F-744E-656564454649");

    /// <summary>Looks at a disk. What cannot be told is a BIOS, as of a disk without partitions.</summary>
    /// <param name="path">The image, a raw one.</param>
    internal static Firmware Read(string path) => Detect(ReadFirst(path));

    /// <summary>The same of a disk that is served over NBD.</summary>
    /// <param name="socket">The server's socket.</param>
    /// <param name="export">The name of its export.</param>
    internal static async Task<Firmware> ReadServedAsync(string socket, string export,
        CancellationToken cancellationToken)
    {
        using NbdClient disk = await NbdClient.ConnectAsync(socket, export, [], cancellationToken)
            .ConfigureAwait(false);
        byte[] first = new byte[(int)Math.Min(FirstBytes, disk.SizeBytes)];
        await disk.ReadAsync(0, first, cancellationToken).ConfigureAwait(false);
        return Detect(first);
    }

    /// <summary>
    /// UEFI needs a partition of its own. A disk that has one, and nothing that a BIOS would start, boots by UEFI
    /// alone; where there is both, a BIOS is the older and simpler way.
    /// </summary>
    internal static Firmware Detect(ReadOnlySpan<byte> disk)
    {
        if (disk.Length < 2 * Sector || disk[510] != 0x55 || disk[511] != 0xAA) return Firmware.Bios;
        if (!disk.Slice(Sector).StartsWith("EFI PART"u8)) return DetectOld(disk);
        // UEFI specification 2.10, 5.3.2: where the entries begin, how many, how long each is.
        ulong start = BinaryPrimitives.ReadUInt64LittleEndian(disk.Slice(Sector + 72));
        uint count = BinaryPrimitives.ReadUInt32LittleEndian(disk.Slice(Sector + 80)),
            size = BinaryPrimitives.ReadUInt32LittleEndian(disk.Slice(Sector + 84));
        if (start > FirstBytes / Sector || size is < 128 or > 4096 || count > MostPartitions) return Firmware.Bios;
        bool hasEfi = false, hasBios = false;
        for (int i = 0; i < count; i++)
        {
            long at = (long)start * Sector + (long)i * size;
            if (at + 16 > disk.Length) break;
            var type = new Guid(disk.Slice((int)at, 16).ToArray());
            hasEfi |= type == s_efiSystem;
            hasBios |= type == s_biosBoot;
        }
        return hasEfi && !hasBios ? Firmware.Uefi : Firmware.Bios;
    }

    /// <summary>An older table of partitions: one of UEFI's, and none that is marked as to be started.</summary>
    private static Firmware DetectOld(ReadOnlySpan<byte> disk)
    {
        const byte EfiSystem = 0xEF, Active = 0x80;
        bool hasEfi = false, hasActive = false;
        for (int at = 446; at < 510; at += 16)
        {
            hasActive |= disk[at] == Active;
            hasEfi |= disk[at + 4] == EfiSystem;
        }
        return hasEfi && !hasActive ? Firmware.Uefi : Firmware.Bios;
    }

    private static byte[] ReadFirst(string path)
    {
        using FileStream file = File.OpenRead(path);
        byte[] bytes = new byte[(int)Math.Min(FirstBytes, file.Length)];
        int done = 0;
        while (done < bytes.Length && file.Read(bytes, done, bytes.Length - done) is > 0 and int read) done += read;
        return bytes;
    }
}
