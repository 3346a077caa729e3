using System.Management.Automation.Host;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Pipeline;

/// <summary>Questions to a person, who may not be there.</summary>
internal static class HostQuestion
{
    /// <summary>Asks. On the pipeline thread.</summary>
    /// <param name="question">What asks the host.</param>
    /// <param name="nobody">The error where the host cannot ask: in a runbook, in a job, with input from a
    /// file.</param>
    /// <exception cref="NataliaException">What <paramref name="nobody"/> makes.</exception>
    internal static T Ask<T>(Func<T> question, Func<Exception, NataliaException> nobody)
    {
        try
        {
            return question();
        }
        // Every kind of host has its own way to say it: PowerShell's own error for one is an InvalidOperationException,
        // too.
        catch (Exception silent) when (silent is HostException or InvalidOperationException or NotImplementedException)
        {
            throw nobody(silent);
        }
    }
}
