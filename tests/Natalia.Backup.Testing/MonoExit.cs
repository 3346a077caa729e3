using System.Runtime.InteropServices;

namespace Natalia.Backup.Testing;

/// <summary>
/// Ends a program that Mono runs. At its orderly end Mono aborts its threads, also the one of its timers, which now and
/// then makes an unhandled exception of that: a run in which everything passed then ends with 1.
/// </summary>
internal static class MonoExit
{
    /// <summary>Under Mono on a Unix it does not return; elsewhere the caller's return ends the program.</summary>
    /// <param name="code">The process's exit code.</param>
    /// <returns>The same.</returns>
    internal static int With(int code)
    {
        Console.Out.Flush();
        Console.Error.Flush();
        if (Type.GetType("Mono.Runtime") is not null && Environment.OSVersion.Platform == PlatformID.Unix) Exit(code);
        return code;
    }

    [DllImport("libc", EntryPoint = "_exit")]
    private static extern void Exit(int code);
}
