namespace Natalia.Backup.Host;

/// <summary>What the runner itself says; all others are PowerShell's, among them 64 for a wrong command line.</summary>
internal static class ExitCodes
{
    public const int Success = 0;

    /// <summary>The system or the installation does not let it work; as PowerShell says it.</summary>
    public const int Internal = 70;

    /// <summary>128 + SIGINT, as shells say it.</summary>
    public const int Interrupted = 130;

    /// <summary>128 + SIGTERM.</summary>
    public const int Terminated = 143;
}
