using System.Buffers.Binary;
using System.Text;

namespace Natalia.Backup.Engine.Disks.Vhdx;

/// <summary>What a differencing VHDX file says of its parent.</summary>
/// <param name="Linkage">The parent's DataWriteGuid.</param>
/// <param name="OtherLinkage">Another one that is right as well, as while a merge goes on; or null.</param>
/// <param name="RelativePath">The parent's path relative to the child; or null.</param>
/// <param name="AbsolutePath">The parent's path on the machine of the child; or null.</param>
internal sealed record VhdxParentLocator(Guid Linkage, Guid? OtherLinkage, string? RelativePath, string? AbsolutePath)
{
    private const int HeaderBytes = 20, EntryBytes = 12;

    /// <exception cref="NataliaException"><c>DiskImageInvalid</c>, <c>DiskFormatNotSupported</c>.</exception>
    internal static VhdxParentLocator Parse(ImageFault image, byte[] item)
    {
        if (item.Length < HeaderBytes) throw image.Invalid("its parent locator is cut off");
        if (VhdxFormat.ReadGuid(item) is Guid type && type != VhdxFormat.VhdxLocator)
            throw image.NotSupported($"names its parent in the way {type}, which is not known");
        int count = BinaryPrimitives.ReadUInt16LittleEndian(item.AsSpan(18));
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        for (int i = 0; i < count; i++)
        {
            int at = HeaderBytes + i * EntryBytes;
            if (at > item.Length - EntryBytes) throw image.Invalid("its parent locator is cut off");
            string key = Text(at, at + 8), value = Text(at + 4, at + 10);
            // Keys are few, and are not many because somebody says so.
            if (values.Count < 16) values[key] = value;
        }
        return new VhdxParentLocator(
            Linkage("parent_linkage")
                ?? throw image.Invalid("it does not say which state of its parent it counts from"),
            Linkage("parent_linkage2"), Value("relative_path"), Value("absolute_win32_path"));

        string Text(int offsetAt, int lengthAt)
        {
            uint offset = BinaryPrimitives.ReadUInt32LittleEndian(item.AsSpan(offsetAt));
            int length = BinaryPrimitives.ReadUInt16LittleEndian(item.AsSpan(lengthAt));
            return offset <= item.Length - length
                ? Encoding.Unicode.GetString(item, (int)offset, length)
                : throw image.Invalid("its parent locator leads out of itself");
        }

        string? Value(string key) => values.TryGetValue(key, out string? value) && value.Length > 0 ? value : null;

        Guid? Linkage(string key) => Value(key) is not string text ? null
            : Guid.TryParse(text, out Guid id) ? id
            : throw image.Invalid($"'{text}' is no id of a parent");
    }
}
