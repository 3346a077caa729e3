using System.Runtime.InteropServices;

namespace Natalia.Backup.Engine.Files;

/// <summary>On which system we run; netstandard2.0 has no shorter way to ask.</summary>
internal static class Platform
{
    internal static readonly bool IsWindows = RuntimeInformation.IsOSPlatform(OSPlatform.Windows);
    internal static readonly bool IsLinux = RuntimeInformation.IsOSPlatform(OSPlatform.Linux);
    internal static readonly bool IsMacOS = RuntimeInformation.IsOSPlatform(OSPlatform.OSX);
}
