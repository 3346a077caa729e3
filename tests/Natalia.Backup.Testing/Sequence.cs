#if !NET472
using CsCheck;
#endif

namespace Natalia.Backup.Testing;

/// <summary>
/// One step of a sequence: what is done, and the seed of all that is drawn while doing it, so that it is the same
/// without its neighbours.
/// </summary>
public readonly record struct Step(int Kind, int Seed)
{
    public override string ToString() => $"new({Kind}, {Seed})";
}

/// <summary>
/// Random sequences of steps that are the same in every run, so that a run takes the same time and a failure comes
/// back.
/// </summary>
public static class Sequence
{
#if !NETFRAMEWORK
    /// <summary>How many shorter sequences are tried after a failure.</summary>
    private const int Tries = 200;
#endif

    /// <summary>
    /// Makes a sequence and checks it. A failure leaves steps out until none can be missed, and names those that are
    /// left.
    /// </summary>
    /// <param name="number">Which sequence.</param>
    /// <param name="length">How many steps it has.</param>
    /// <param name="kinds">Steps are of the kinds 0 to one less than this, all as often.</param>
    /// <param name="check">Does the steps from a beginning of its own, and throws when something is wrong.</param>
    public static async Task CheckAsync(int number, int length, int kinds, Func<IReadOnlyList<Step>, Task> check)
    {
        var random = new Random(number);
        Step[] all = [.. Enumerable.Range(0, length).Select(_ => new Step(random.Next(kinds), random.Next()))];
        try
        {
            await check(all);
        }
        catch (Exception failure)
        {
            throw new InvalidOperationException(
                $"Sequence {number} fails: {failure.Message}\n{await ShrinkAsync(all, check)}",
                failure);
        }
    }

#if NET472
    // CsCheck has no build for this framework; the same sequence fails on .NET as well, or the fault is in what
    // differs.
    private static Task<string> ShrinkAsync(Step[] all, Func<IReadOnlyList<Step>, Task> check) => Task.FromResult(string.Join(", ", all));
#else
    private static async Task<string> ShrinkAsync(Step[] all, Func<IReadOnlyList<Step>, Task> check)
    {
        Step[] Chosen(int[] places) => [.. places.Order().Select(p => all[p])];
        try
        {
            await Gen.Int[0, all.Length - 1].ArrayUnique[1, all.Length].SampleAsync(
                places => check(Chosen(places)), iter: Tries, threads: 1,
                print: places => string.Join(", ", Chosen(places)));
            return $"No part of it fails alone: {string.Join(", ", all)}";
        }
        catch (CsCheckException smallest)
        {
            return smallest.Message;
        }
    }
#endif
}
