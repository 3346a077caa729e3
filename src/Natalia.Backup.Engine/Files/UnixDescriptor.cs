using System.Runtime.InteropServices;

namespace Natalia.Backup.Engine.Files;

/// <summary>A file descriptor of Linux or macOS that this product opened itself. The file handles of Mono know only
/// those that Mono opened.</summary>
internal sealed class UnixDescriptor : SafeHandle
{
    /// <summary>Takes a descriptor over; a negative one is no descriptor.</summary>
    internal UnixDescriptor(int number) : base(new IntPtr(-1), ownsHandle: true) => SetHandle(new IntPtr(number));

    public override bool IsInvalid => (long)handle < 0;

    /// <summary>Closes one that nobody has taken over.</summary>
    internal static void Close(int number) => _ = close(number);

    protected override bool ReleaseHandle() => close((int)handle) == 0;

#pragma warning disable SYSLIB1054, IDE1006 // LibraryImport is not in netstandard2.0; the name is libc's.
    [DllImport("libc", SetLastError = true)]
    private static extern int close(int descriptor);
#pragma warning restore SYSLIB1054, IDE1006
}
