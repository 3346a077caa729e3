using System.Runtime.InteropServices;
using Natalia.Backup.Engine.Files;

namespace Natalia.Backup.Engine.Storage.Folders;

/// <summary>
/// Where names lie below a root, without ever leaving it: a link inside the folder is refused, wherever it leads.
/// </summary>
internal sealed class FolderLayout
{
    /// <summary>Holds what is being written. Dot-named, so that no object can be called so.</summary>
    private const string TemporaryName = ".tmp";

    internal FolderLayout(string root)
    {
        Root = root;
        Temporary = Path.Combine(root, TemporaryName);
    }

    internal string Root { get; }

    /// <summary>
    /// The folder for temporary files. Made with the store and never again, so its absence tells that the root is not
    /// the folder that was opened: gone, or an empty mount point.
    /// </summary>
    internal string Temporary { get; }

    /// <summary>The path of an object or of a folder of objects.</summary>
    internal string PathOf(string name)
    {
        int end = -1;
        do
        {
            end = name.IndexOf('/', end + 1);
            string path = Native(end < 0 ? name : name.Substring(0, end));
            FileAttributes attributes = AttributesOf(path);
            if (attributes == Missing) break;
            if (IsLink(path, attributes)) throw LinkRefused(path);
        }
        while (end >= 0);
        return Native(name);
    }

    internal static NataliaException LinkRefused(string path) =>
        new(ErrorIds.PathNotContained, NataliaErrorKind.Security,
        $"'{path}' is a link. Links inside a repository folder are not followed, because they may lead out of it.",
        path, "Find out who made it; put the real folder or file in its place.");

    /// <summary>The value of the system for "there is nothing".</summary>
    internal const FileAttributes Missing = (FileAttributes)(-1);

    /// <summary>
    /// Attributes of a path itself, not of what it links to; <see cref="Missing"/> when there is nothing. Throws what
    /// else goes wrong.
    /// </summary>
    internal static FileAttributes AttributesOf(string path) => new FileInfo(path).Attributes;

    internal static bool IsLink(string path, FileAttributes attributes)
    {
        if (attributes == Missing || (attributes & FileAttributes.ReparsePoint) == 0) return false;
        // On Windows, files that the system has de-duplicated or moved to a cloud tier are reparse points too; only
        // name surrogates lead elsewhere.
        return !NativeFiles.IsWindows || ReparseTag(path) is not uint tag || (tag & 0x20000000) != 0;
    }

    /// <summary>The path of a name, whatever stands there.</summary>
    internal string Native(string name) =>
        Path.Combine(Root, Path.DirectorySeparatorChar == '/' ? name : name.Replace('/', Path.DirectorySeparatorChar));

    private static uint? ReparseTag(string path)
    {
        IntPtr search = FindFirstFile(WindowsPath.ForCalls(path), out FindData data);
        if (search == new IntPtr(-1)) return null;
        FindClose(search);
        return data.Reserved0;
    }

#pragma warning disable SYSLIB1054 // LibraryImport is not in netstandard2.0.
    [DllImport("kernel32", EntryPoint = "FindFirstFileW", SetLastError = true, CharSet = CharSet.Unicode,
        ExactSpelling = true)]
    private static extern IntPtr FindFirstFile(string path, out FindData data);

    [DllImport("kernel32", SetLastError = true, ExactSpelling = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static extern bool FindClose(IntPtr search);
#pragma warning restore SYSLIB1054

    [StructLayout(LayoutKind.Sequential, CharSet = CharSet.Unicode)]
    private struct FindData
    {
        public uint Attributes, CreationLow, CreationHigh, AccessLow, AccessHigh, WriteLow, WriteHigh, SizeHigh,
            SizeLow, Reserved0, Reserved1;
        [MarshalAs(UnmanagedType.ByValTStr, SizeConst = 260)] public string Name;
        [MarshalAs(UnmanagedType.ByValTStr, SizeConst = 14)] public string AlternateName;
    }
}
