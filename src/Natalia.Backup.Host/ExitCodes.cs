namespace Natalia.Backup.Host;

internal static class ExitCodes
{
    public const int Success = 0;
    public const int Failure = 1;

    /// <summary>The command line of the runner itself is wrong, or names a script that is not there.</summary>
    public const int Usage = 64;

    /// <summary>128 + SIGINT, as shells say it.</summary>
    public const int Interrupted = 130;

    /// <summary>128 + SIGTERM.</summary>
    public const int Terminated = 143;
}
