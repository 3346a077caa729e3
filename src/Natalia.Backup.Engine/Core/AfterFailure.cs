namespace Natalia.Backup.Engine.Core;

/// <summary>Clears up behind a failure.</summary>
internal static class AfterFailure
{
    /// <summary>
    /// Takes each step, whatever becomes of the others. What a step fails with does not take the place of why it was
    /// needed, which the caller throws: what it leaves behind is found and removed by the next run.
    /// </summary>
    internal static async Task ClearAsync(params Func<Task>[] steps)
    {
        foreach (Func<Task> step in steps)
        {
            try
            {
                await step().ConfigureAwait(false);
            }
            catch (Exception)
            {
            }
        }
    }
}
