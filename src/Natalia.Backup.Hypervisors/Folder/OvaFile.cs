using System.Globalization;
using System.Text;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Folder;

/// <summary>
/// The members of an OVA, which is a tar archive (POSIX.1-1988 ustar, with the long names of GNU and pax). They are
/// read where they lie; nothing is unpacked.
/// </summary>
internal static class OvaFile
{
    private const int Block = 512;

    /// <summary>A package has some files; an archive of a million is something else.</summary>
    private const int MostMembers = 1000;

    private const int MostNameBytes = 64 * 1024;

    /// <summary>Where each member lies, by its name.</summary>
    /// <param name="file">The archive.</param>
    /// <exception cref="NataliaException"><c>ApplianceDescriptionInvalid</c>, <c>DiskReadFailed</c>.</exception>
    private static async Task<IReadOnlyDictionary<string, Extent>> ReadMembersAsync(RawDiskSource file,
        CancellationToken cancellationToken)
    {
        var members = new Dictionary<string, Extent>(StringComparer.Ordinal);
        var header = new byte[Block];
        string? longName = null;
        long? longSize = null;
        for (long at = 0; ;)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (at > file.SizeBytes - Block) break;
            await file.ReadAsync(at, header, cancellationToken).ConfigureAwait(false);
            if (Array.TrueForAll(header, b => b == 0)) break;
            if (!IsIntact(header)) throw Invalid(file, $"its archive is damaged at {at}");
            long size = longSize ?? Number(header, 124, 12) ?? -1;
            if (size < 0 || size > file.SizeBytes - at - Block)
                throw Invalid(file, "it ends before its last file does: it was cut off");
            string name = longName ?? NameOf(header);
            char kind = (char)header[156];
            longName = null;
            longSize = null;
            if (kind is 'L' or 'x')
            {
                if (size > MostNameBytes) throw Invalid(file, $"a name in its archive has {size} bytes");
                var text = new byte[(int)size];
                await file.ReadAsync(at + Block, text, cancellationToken).ConfigureAwait(false);
                if (kind == 'L') longName = Encoding.UTF8.GetString(text).TrimEnd('\0');
                else (longName, longSize) = Pax(text);
            }
            else if (kind is '0' or '\0')
            {
                if (members.Count == MostMembers) throw Invalid(file, $"it has more than {MostMembers} files");
                string plain = name.StartsWith("./", StringComparison.Ordinal) ? name.Substring(2) : name;
                if (members.ContainsKey(plain)) throw Invalid(file, $"it has the file '{plain}' twice");
                members.Add(plain, new Extent(at + Block, size));
            }
            at += Block + (size + Block - 1) / Block * Block;
        }
        return members;
    }

    /// <summary>What its one description says, and where each member lies.</summary>
    /// <param name="archive">The archive.</param>
    /// <exception cref="NataliaException"><c>ApplianceDescriptionInvalid</c>, <c>DiskReadFailed</c>.</exception>
    internal static async Task<(OvfFile Description, IReadOnlyDictionary<string, Extent> Members)> ReadAsync(
        RawDiskSource archive, CancellationToken cancellationToken)
    {
        IReadOnlyDictionary<string, Extent> members =
            await ReadMembersAsync(archive, cancellationToken).ConfigureAwait(false);
        List<Extent> descriptions = [.. members
            .Where(m => m.Key.EndsWith(".ovf", StringComparison.OrdinalIgnoreCase)).Select(m => m.Value)];
        if (descriptions.Count != 1)
            throw Invalid(archive, $"it has {descriptions.Count} descriptions (.ovf) and not one");
        Extent place = descriptions[0];
        if (place.Length > OvfFile.MaxBytes) throw Invalid(archive, "its description is too long");
        var bytes = new byte[(int)place.Length];
        await archive.ReadAsync(place.Offset, bytes, cancellationToken).ConfigureAwait(false);
        using var reader = new StreamReader(new MemoryStream(bytes));
        return (OvfFile.Parse(archive.Path, reader.ReadToEnd()), members);
    }

    /// <summary>Where the image of a disk lies.</summary>
    /// <exception cref="NataliaException"><c>ApplianceDescriptionInvalid</c>: it is not there.</exception>
    internal static Extent ImageOf(RawDiskSource archive, IReadOnlyDictionary<string, Extent> members, OvfDisk disk) =>
        members.TryGetValue(disk.FileName, out Extent member)
            ? member
            : throw Invalid(archive, $"it has no file '{disk.FileName}', the image of disk '{disk.Id}'");

    internal static NataliaException Invalid(RawDiskSource file, string what) => new(
        ErrorIds.ApplianceDescriptionInvalid, NataliaErrorKind.InvalidData,
        $"The OVA '{file.Path}' cannot be used: {what}.", file.Path, "Export the VM again.");

    private static bool IsIntact(byte[] header)
    {
        long sum = 0;
        for (int i = 0; i < Block; i++) sum += i is >= 148 and < 156 ? ' ' : header[i];
        return Number(header, 148, 8) == sum;
    }

    /// <summary>In octal digits; or, for sizes of 8 GiB and more, as bytes behind a first one of 0x80.</summary>
    private static long? Number(byte[] header, int at, int length)
    {
        if (header[at] == 0x80)
        {
            long value = 0;
            for (int i = at + 1; i < at + length; i++)
            {
                if (value > long.MaxValue >> 8) return null;
                value = value << 8 | header[i];
            }
            return value;
        }
        long number = 0;
        bool any = false;
        foreach (byte b in header.AsSpan(at, length))
        {
            if (b is (byte)' ' or 0)
            {
                if (any) break;
                continue;
            }
            if (b is < (byte)'0' or > (byte)'7' || number > long.MaxValue >> 3) return null;
            number = number << 3 | (uint)(b - '0');
            any = true;
        }
        return any ? number : null;
    }

    private static string NameOf(byte[] header)
    {
        string name = Text(0, 100);
        string prefix = header.AsSpan(257).StartsWith(Encoding.ASCII.GetBytes("ustar\0")) ? Text(345, 155) : "";
        return prefix.Length > 0 ? prefix + "/" + name : name;

        string Text(int at, int length)
        {
            int end = Array.IndexOf(header, (byte)0, at, length);
            return Encoding.UTF8.GetString(header, at, (end < 0 ? at + length : end) - at);
        }
    }

    /// <summary>Records "LENGTH KEY=VALUE\n", of which the name and the size count.</summary>
    private static (string? Name, long? Size) Pax(byte[] text)
    {
        string? name = null;
        long? size = null;
        foreach (string line in Encoding.UTF8.GetString(text).Split('\n'))
        {
            int space = line.IndexOf(' '), equals = line.IndexOf('=');
            if (space < 0 || equals < space) continue;
            string value = line.Substring(equals + 1);
            switch (line.Substring(space + 1, equals - space - 1))
            {
                case "path":
                    name = value;
                    break;
                case "size" when long.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out long bytes):
                    size = bytes;
                    break;
            }
        }
        return (name, size);
    }
}
