from footwork.cli import main

main()
