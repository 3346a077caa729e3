using System.Management.Automation.Host;

namespace Natalia.Backup.Host.Screen;

/// <summary>Sizes and colours of the terminal. What only full-screen programs need is not offered.</summary>
internal sealed class TerminalRawInterface(Terminal terminal) : PSHostRawUserInterface
{
    public override Size BufferSize
    {
        get => new(terminal.Width, terminal.Height);
        set => throw new NotSupportedException("natalia does not change the terminal's size.");
    }

    public override Size WindowSize
    {
        get => BufferSize;
        set => BufferSize = value;
    }

    public override Size MaxWindowSize => BufferSize;

    public override Size MaxPhysicalWindowSize => BufferSize;

    public override Coordinates WindowPosition { get; set; }

    public override Coordinates CursorPosition
    {
        get => terminal.OutputIsTerminal && terminal.CanAsk ? new Coordinates(Console.CursorLeft, Console.CursorTop) : default;
        set
        {
            if (terminal.OutputIsTerminal)
                Console.SetCursorPosition(value.X, value.Y);
        }
    }

    public override int CursorSize { get; set; } = 25;

    // The terminal's own colours are its owner's business.
    public override ConsoleColor ForegroundColor { get; set; } = (ConsoleColor)(-1);

    public override ConsoleColor BackgroundColor { get; set; } = (ConsoleColor)(-1);

    public override string WindowTitle { get; set; } = "natalia";

    public override bool KeyAvailable => terminal.CanAsk && Console.KeyAvailable;

    public override KeyInfo ReadKey(ReadKeyOptions options)
    {
        terminal.DemandSomebody("a key");
        var key = Console.ReadKey(intercept: options.HasFlag(ReadKeyOptions.NoEcho));
        return new KeyInfo((int)key.Key, key.KeyChar, 0, keyDown: true);
    }

    public override void FlushInputBuffer()
    {
        while (KeyAvailable)
            Console.ReadKey(intercept: true);
    }

    public override BufferCell[,] GetBufferContents(Rectangle rectangle) => throw NotOffered();

    public override void SetBufferContents(Coordinates origin, BufferCell[,] contents) => throw NotOffered();

    public override void SetBufferContents(Rectangle rectangle, BufferCell fill) => throw NotOffered();

    public override void ScrollBufferContents(Rectangle source, Coordinates destination, Rectangle clip, BufferCell fill) => throw NotOffered();

    private static NotSupportedException NotOffered() => new("natalia does not read or move what the terminal shows.");
}
